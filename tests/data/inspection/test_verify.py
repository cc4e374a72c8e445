"""Which images are read is decided by their bytes, and a run says it."""

from dataclasses import replace

import pytest

from generators import exhausted
from tlf.builtin.folder import Folder
from tlf.components import Split, Splits
from tlf.data.inspection import verify
from tlf.data.inspection.readable import subset
from tlf.data.inspection.verify import Stamps, mode_of, stamped, verified_note
from tlf.events import Prepared


class Indexed:
    """Reads images of an archive whose index knows how long each is."""

    def __call__(self, index):
        raise AssertionError("no image is read")

    def size(self, index):
        return 100 + index


INDEXED = Split(("a", "b"), (0, 1), Indexed())
PLUGIN = Split(("a", "b"), (0, 1), [b"a", b"b"].__getitem__)


def look(train, evaluated=None):
    return exhausted(stamped(Splits(train, evaluated or train, ("a", "b"))))


def test_files_are_looked_at_and_not_read(images, monkeypatch):
    monkeypatch.setattr(verify, "_STEP", 10)
    splits = Folder(str(images)).build()
    paths = [images / name for split in (splits.train, splits.eval) for name in split.names]
    found, events = exhausted(stamped(splits))
    assert found.bytes == sum(path.stat().st_size for path in paths)
    assert events == [Prepared("looking at files", done, 31) for done in (10, 20, 30)]
    half = replace(splits, train=subset(splits.train, range(10)))
    assert exhausted(stamped(half))[0].digest not in (None, found.digest)


def test_what_has_no_stamp_has_no_digest():
    assert look(INDEXED)[0] == Stamps(None, 2 * 201)
    assert look(subset(INDEXED, [1]))[0] == Stamps(None, 2 * 101)
    assert look(PLUGIN)[0] == look(INDEXED, PLUGIN)[0] == Stamps(None, None)


@pytest.mark.parametrize(
    ("asked", "size", "stored", "mode"),
    [
        ("auto", 2 * 10**9, True, "content"), ("auto", 2 * 10**9 + 1, True, "stat"),
        ("auto", None, True, "content"), ("auto", 10**12, False, "content"),
        ("content", 10**12, True, "content"), ("stat", 1, True, "stat"),
        ("stat", 1, False, "content"),
    ],
)  # fmt: skip
def test_the_mode_goes_by_the_bytes_of_all_images(asked, size, stored, mode):
    assert mode_of(asked, Stamps(None, size), stored=stored) == mode


def test_a_run_says_what_it_has_not_read():
    assert {verified_note(asked, "content", 0, 9) for asked in ("auto", "content")} == {None}
    assert "2 GB" not in verified_note("stat", "stat", 7, 9)
    assert "take more than 2 GB: 7 of 9 images were not" in verified_note("auto", "stat", 7, 9)
    assert "all images were read; a later run" in verified_note("stat", "stat", 0, 9)
    assert "the cache, which is off" in verified_note("stat", "content", 0, 9)
