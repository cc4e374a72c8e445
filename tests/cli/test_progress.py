import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from rich.console import Console

from tlf.cli.commands.history import history_lines
from tlf.cli.progress import show
from tlf.cli.tables import epoch_text, merged, stage_table
from tlf.results import EpochResult, Notice, Progress, Updated
from tlf.runs.explain import StageRow
from tlf.runs.run import RunStarted

RESULT = EpochResult("head", 0, 0.5, {"loss": 0.25, "top1": 0.875}, 0.01, 8, 1.5, 160.0)


def printed(thing, terminal=False):
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=terminal, color_system=None)
    thing(console)
    return file.getvalue()


def test_an_epoch_is_one_line():
    line = epoch_text(RESULT)
    for part in (
        "head",
        "  1",
        "loss 0.5000 train, 0.2500 eval",
        "top-1 87.50%",
        "160 images/s",
        "1.5 s",
    ):
        assert part in line
    assert len(epoch_text(RESULT, 6)) <= 80


def test_the_lines_of_all_phases_stand_one_under_another():
    other = replace(RESULT, phase="everything", epoch=11)
    one, two = (epoch_text(result, 10) for result in (RESULT, other))
    assert one.index("loss") == two.index("loss")


def test_history_is_a_table_that_fits_a_terminal():
    results = [
        RESULT,
        replace(RESULT, phase="everything", epoch=119, metrics={"loss": 0.25, "top1": 1.0}),
    ]
    header, one, two = history_lines(results)
    assert header.startswith("phase       epoch")
    assert one.split() == [
        "head", "1", "0.5000", "0.2500", "87.50%", "1.00e-02", "160", "1.5"
    ]  # fmt: skip
    assert two.split()[:2] == ["everything", "120"]
    assert {len(line) for line in (header, one, two)} == {len(header)}
    assert len(header) <= 80
    (empty,) = history_lines([])
    assert empty == header.replace("phase     ", "phase").replace("    top-1", "")


def test_neighbours_that_do_alike_share_a_row():
    rows = [
        StageRow("stem", 1, 0, ()),
        StageRow("layer1", 2, 0, ()),
        StageRow("layer2", 3, 1, (0.1,)),
        StageRow("layer3", 4, 4, (0.1,)),
        StageRow("layer4", 5, 5, (0.1,)),
        StageRow("head", 6, 6, (0.1,)),
    ]
    assert [(row.stage, row.parameters, row.state) for row in merged(rows)] == [
        ("stem … layer1", 3, "frozen"),
        ("layer2", 3, "33% trainable"),
        ("layer3 … layer4", 9, "trainable"),
        ("head", 6, "trainable"),
    ]


def test_a_stage_that_learns_in_part_is_never_said_to_learn_whole_or_not_at_all():
    assert StageRow("layer4", 1000, 999, (0.1,)).state == "99% trainable"
    assert StageRow("layer4", 1000, 1, (0.1,)).state == "1% trainable"


def test_one_of_several_processes_speaks():
    job = SimpleNamespace(accelerator=SimpleNamespace(is_main_process=False))
    start = RunStarted(Path("run"), job, 0)
    assert printed(lambda console: show([start, Notice("said twice")], console)) == ""


def test_stages_tell_whether_they_learn():
    rows = [
        StageRow("stem", 100, 0, ()),
        StageRow("layer1", 200, 50, (0.001,)),
        StageRow("head", 10, 10, (0.001, 0.01)),
    ]
    text = printed(lambda console: console.print(stage_table(rows)))
    stem, layer, head = text.splitlines()[1:]
    assert stem.split() == ["stem", "100", "frozen", "–"]
    assert "25% trainable" in layer
    assert head.split() == ["head", "10", "trainable", "1.00e-03", "…", "1.00e-02"]


def test_in_a_file_there_are_plain_lines_and_no_bar():
    events = [
        Updated("head", Progress(0, 1), evaluating=False, done=8, images=20, loss=0.7),
        Notice("[not markup] a note"),
        RESULT,
    ]
    text = printed(lambda console: show(events, console))
    assert text.splitlines() == ["note: [not markup] a note", epoch_text(RESULT)]
    assert "\x1b" not in text


def test_long_epochs_show_how_they_get_on_in_a_file(monkeypatch):
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
