"""What is known of files is found without torch, and only of files that are as they were."""

import os
import time

import pytest

from tlf.cache.store import Cache
from tlf.components import Split, Splits
from tlf.data.inspection.known_rows import STAMP, KnownRows, key_of, known_digests, stamp_of
from tlf.data.inspection.readable import subset
from tlf.data.splits import ReadFile
from tlf.data.splitting.pool import part, pooled


def rows_of(*stamps):
    """Rows that know a letter of each stamp."""
    return KnownRows(1, memoryview(b"".join(sorted(s * STAMP + s.upper() for s in stamps))))


def test_a_row_is_found_by_its_whole_stamp():
    rows = rows_of(b"a", b"c", b"d")
    assert [rows.find(s * STAMP) for s in (b"a", b"b", b"c", b"d", b"e")] == [
        b"A", None, b"C", b"D", None,
    ]  # fmt: skip
    assert rows_of().find(b"a" * STAMP) is None


@pytest.fixture
def files(tmp_path):
    names = tuple(f"{n}.jpg" for n in range(4))
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    return Split(names, (0, 1, 0, 1), ReadFile(str(tmp_path), names))


def test_digests_that_a_run_has_remembered_are_found(files, inspect, root, tmp_path, monkeypatch):
    monkeypatch.setattr("tlf.data.inspection.known_files._SETTLED", 0)
    time.sleep(0.02)  # the images were just written
    usable, _ = inspect(verify="stat")
    known = known_digests(Cache(tmp_path / "cache", 10**9), usable.splits)
    monkeypatch.setattr(ReadFile, "__call__", None)  # none is read
    read, name = usable.splits.train.read, usable.splits.train.names[3]
    assert len(known.digest(read, 3)) == 32
    os.utime(root / name, (1, 1))
    assert known.digest(read, 3) is None
    unknown = known_digests(Cache(tmp_path / "other", 10**9), usable.splits)
    assert unknown.digest(read, 0) is None


def test_an_image_without_a_stamp_is_not_known():
    assert stamp_of([b"image"].__getitem__, 0) == (bytes(STAMP), None)


def test_all_folds_of_a_dataset_have_one_key(files):
    """So they know each other's files, those of a test split left out."""

    def key(*parts, pool):
        train, evaluated = (part(pool, each) for each in parts)
        return key_of(Splits(train, evaluated, ("a", "b")), "digests", None).name

    elsewhere = Split(files.names, files.labels, files.read.__call__)
    for splits in ((files, files), (elsewhere, elsewhere)):
        pool = pooled(splits)
        keys = {key(*parts, pool=pool) for parts in (([0, 1], [2]), ([1, 2], [0]), ([7], [3]))}
        assert len(keys) == 1
    other = key([0], [1], pool=subset(elsewhere, [0, 1]))
    assert other == key([1], [0], pool=elsewhere)
