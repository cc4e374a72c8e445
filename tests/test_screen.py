import io

from rich.console import Console

from tlf.explaining import StageRow
from tlf.results import EpochResult, Notice, Progress, Updated
from tlf.screen import epoch_line, show, stage_table

RESULT = EpochResult("head", 0, 0.5, 0.25, 0.875, 0.01, 8, 1.5, 160.0)


def printed(thing, terminal=False):
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=terminal, color_system=None)
    thing(console)
    return file.getvalue()


def test_an_epoch_is_one_line():
    line = epoch_line(RESULT)
    for part in (
        "head",
        "  1",
        "0.5000",
        "0.2500",
        "87.50%",
        "1.00e-02",
        "160 pictures/s",
        "1.5 s",
    ):
        assert part in line


def test_stages_tell_whether_they_learn():
    rows = [
        StageRow("stem", 100, 0, ()),
        StageRow("layer1", 200, 50, (0.001,)),
        StageRow("head", 10, 10, (0.001, 0.01)),
    ]
    text = printed(lambda console: console.print(stage_table(rows)))
    stem, layer, head = text.splitlines()[1:]
    assert stem.split() == ["stem", "100", "frozen", "–"]
    assert "25% learning" in layer
    assert head.split() == ["head", "10", "learning", "1.00e-03", "…", "1.00e-02"]


def test_in_a_file_there_are_plain_lines_and_no_bar():
    events = [
        Updated("head", Progress(0, 1), evaluating=False, done=8, pictures=20, loss=0.7),
        Notice("[not markup] a note"),
        RESULT,
    ]
    text = printed(lambda console: show(events, console))
    assert text.splitlines() == ["note: [not markup] a note", epoch_line(RESULT)]
    assert "\x1b" not in text


def test_long_epochs_show_how_they_get_on_in_a_file(monkeypatch):
    monkeypatch.setattr("tlf.screen.SECONDS_BETWEEN_LINES", 0.0)
    events = [
        Updated("head", Progress(0, 3), evaluating=False, done=done, pictures=20, loss=0.7)
        for done in (10, 20)
    ]
    text = printed(lambda console: show(events, console))
    assert "head 1/3: 10/20, loss 0.7000" in text
    assert "s left" in text


def test_on_a_terminal_there_is_a_bar():
    events = [
        Updated("head", Progress(0, 3), evaluating=False, done=10, pictures=20, loss=0.7),
        RESULT,
    ]
    text = printed(lambda console: show(events, console), terminal=True)
    assert "head 1/3" in text
    assert epoch_line(RESULT)[:40] in text
