"""A run is shown with a bar on a terminal, and with plain lines in a file."""

import io
from pathlib import Path
from types import SimpleNamespace

from rich.console import Console

from tlf.cli.lines import epoch_text
from tlf.cli.progress import show
from tlf.events import Notice, Prepared, SimulatorStarted, Stored, Updated
from tlf.results import EpochResult, Progress, RunResult
from tlf.runs.folder import RunStarted

RESULT = EpochResult("head", 0, 0.5, {"loss": 0.25, "top1": 0.875}, 0.01, 8, 1.5, 160.0)


def printed(thing, terminal=False):
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=terminal, color_system=None)
    thing(console)
    return file.getvalue()


def test_only_the_main_process_prints():
    job = SimpleNamespace(accelerator=SimpleNamespace(is_main_process=False))
    start = RunStarted(Path("run"), job, 0)
    assert printed(lambda console: show([start, Notice("printed twice")], console)) == ""


def test_before_the_run_begins_too(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    events = [Stored("features of 20 images", 1_500_000, reused=False)]
    assert printed(lambda console: show(events, console)) == ""


def test_a_notebook_gets_plain_text(monkeypatch, capsys):
    """Through stdout: processes of ``notebook_launcher`` cannot send what a notebook displays."""
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setattr("rich.console.get_ipython", lambda: shell, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)  # as a notebook's says
    assert Console().is_jupyter
    show([Notice("a note"), Updated("a", Progress(0, 1), evaluating=False, done=1, images=2)])
    assert capsys.readouterr().out == "note: a note\n"


def test_in_a_file_there_are_plain_lines_and_no_bar():
    events = [
        Updated("head", Progress(0, 1), evaluating=False, done=8, images=20, loss=0.7),
        Notice("[not markup] a note"),
        RESULT,
    ]
    text = printed(lambda console: show(events, console))
    assert text.splitlines() == ["note: [not markup] a note", epoch_text(RESULT)]
    assert "\x1b" not in text


def test_the_address_of_the_simulator_is_a_line():
    events = [SimulatorStarted("http://127.0.0.1:8600/token/")]
    text = printed(lambda console: show(events, console))
    assert text == "page      http://127.0.0.1:8600/token/\n"


def test_long_epochs_have_lines_about_their_progress_in_a_file(monkeypatch):
    monkeypatch.setattr("tlf.cli.progress.SECONDS_BETWEEN_LINES", 0.0)
    events = [
        Updated("head", Progress(0, 3), evaluating=False, done=done, images=20, loss=0.7)
        for done in (10, 20)
    ]
    text = printed(lambda console: show(events, console))
    assert "head 1/3: 10/20, loss 0.7000" in text
    assert "s left" in text


def test_on_a_terminal_there_is_a_bar():
    events = [
        Updated("head", Progress(0, 3), evaluating=False, done=10, images=20, loss=0.7),
        RESULT,
    ]
    text = printed(lambda console: show(events, console), terminal=True)
    assert "head 1/3" in text
    assert epoch_text(RESULT)[:40] in text


def test_the_result_is_returned_and_shown_last():
    result = RunResult("runs/mine", RESULT, (RESULT,), 12.4)
    returned = []
    text = printed(lambda console: returned.append(show([RESULT, result], console)))
    assert returned == [result]
    assert text.splitlines()[-4:] == [
        "best      head 1: top-1 87.50%, eval loss 0.2500; 12 s in total",
        "model     runs/mine/model.safetensors",
        "head      runs/mine/head.safetensors",
        "try it    tlf predict runs/mine IMAGE…",
    ]


def test_a_stored_entry_says_who_computed_it():
    events = [Stored("features of 20 images", 1_500_000, reused) for reused in (False, True)]
    assert printed(lambda console: show(events, console)).splitlines() == [
        "stored    features of 20 images: computed once, 1.5 MB",
        "stored    features of 20 images: found, computed by an earlier run, 1.5 MB",
    ]


def test_the_bar_begins_anew_with_each_title():
    events = [
        Prepared("decoding train images", 10, 20),
        Updated("head", Progress(0, 3), evaluating=False, done=20, images=20),
        Updated("head", Progress(0, 3), evaluating=True, done=11, images=11),
    ]
    text = printed(lambda console: show(events, console), terminal=True)
    for title in ("decoding train images", "head 1/3", "head 1/3 eval"):
        assert title in text
