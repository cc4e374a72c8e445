"""Progress on stderr: one line on a terminal, lines some seconds apart in a file."""

import io
import itertools

import pytest

from tlf.cli import image_progress
from tlf.cli.image_progress import with_progress

ERASE = "\r\x1b[K"


class Terminal(io.StringIO):
    """A file that is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def shown(monkeypatch):
    """Go through items of which each takes half a second; give what stderr gets."""

    def shown(stderr, items, total, failed=0):
        clock = itertools.count(step=0.5)
        monkeypatch.setattr(image_progress.time, "perf_counter", lambda: next(clock))
        monkeypatch.setattr("sys.stderr", stderr)
        assert list(with_progress(range(items), total, lambda: failed)) == [*range(items)]
        return stderr.getvalue()

    return shown


def test_a_terminal_shows_one_line_that_is_gone_when_something_is_printed(monkeypatch, shown):
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setattr("sys.stderr", stderr := Terminal())
    monkeypatch.setattr(image_progress, "FIRST_SHOWN", 0)
    for number, _ in enumerate(with_progress(range(100), 100, lambda: 0)):
        assert stderr.getvalue().endswith(ERASE) or number == 0
    assert stderr.getvalue().endswith(ERASE)
    lines = [line for line in stderr.getvalue().split(ERASE) if line]
    assert lines[0].startswith("1 of 100 images, ")
    assert len(lines) == 99
    assert max(map(len, lines)) <= 29


def test_a_file_gets_a_line_every_10_seconds(shown):
    assert shown(io.StringIO(), 60, 70, failed=10).splitlines() == [
        "29 of 70 images, 2.9 images/s, 14 s left",
        "49 of 70 images, 2.5 images/s, 9 s left",
        "69 of 70 images, 2.3 images/s, 0.4 s left",
    ]
    assert shown(io.StringIO(), 21, None).splitlines() == ["19 images, 1.9 images/s"]


@pytest.mark.parametrize("stderr", [io.StringIO, Terminal])
def test_a_few_images_need_no_progress(stderr, shown):
    assert shown(stderr(), 32, 32) == ""


def test_the_line_is_gone_where_a_person_interrupts(monkeypatch):
    monkeypatch.setattr("sys.stderr", stderr := Terminal())
    monkeypatch.setattr(image_progress, "FIRST_SHOWN", 0)
    items = with_progress(range(100), None, lambda: 0)
    next(items), next(items), next(items)
    with pytest.raises(KeyboardInterrupt):
        items.throw(KeyboardInterrupt)
    assert stderr.getvalue().endswith(ERASE)
