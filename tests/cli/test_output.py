"""Text from elsewhere is printed as it is: no markup, no emoji, no terminal escape."""

import io

import pytest
from rich.console import Console

from tlf.cli.output import complain, echo, say
from tlf.cli.progress import show
from tlf.events import Notice, Prepared, Stored, Updated
from tlf.results import EpochResult, Progress
from tlf.runs.story.stages import StageRow
from tlf.runs.story.text import stage_table

ODD = "a[/] [red]b[copy] :cat: \x1b[2J\x07 caf\udce9"
SHOWN = r"a[/] [red]b[copy] :cat: \x1b[2J\x07 caf\xe9"


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=300, force_terminal=False)


def test_lines_are_printed_as_they_are(console):
    say(console, f"{ODD}\n  second", "yellow")
    assert console.file.getvalue() == f"{SHOWN}\n  second\n"


def test_without_rich_too(capsys):
    echo(ODD)
    complain(f"error: {ODD}\n  second")
    assert capsys.readouterr() == (f"{SHOWN}\n", f"error: {SHOWN}\n  second\n")


EPOCH = EpochResult(ODD, 0, 0.5, {"loss": 0.25, "top1": 0.875}, 0.01, 8, 1.5, 160.0)
UPDATED = Updated(ODD, Progress(0, 3), evaluating=False, done=5, images=20, loss=0.7)


@pytest.mark.parametrize(
    "event", [Notice(ODD), Stored(ODD, 5, reused=True), EPOCH, Prepared(ODD, 5, 20), UPDATED]
)
@pytest.mark.parametrize("terminal", [True, False])
def test_every_event_of_a_run_is_shown_as_it_is(event, terminal, monkeypatch):
    monkeypatch.setattr("tlf.cli.progress.SECONDS_BETWEEN_LINES", 0.0)
    file = io.StringIO()
    show([event], Console(file=file, width=300, force_terminal=terminal, color_system=None))
    assert SHOWN in file.getvalue()
    assert "\x1b[2J" not in file.getvalue()


def test_stages_are_shown_as_they_are(console):
    say(console, "\n".join(stage_table([(StageRow(ODD, 10, 0, ()), "frozen", ())])))
    assert SHOWN in console.file.getvalue()
