"""Entries are whole or absent, whichever process is killed."""

import os
import signal
import stat

import pytest

from entries import DATA, entry_key, python, store


def test_writing_in_any_order_gives_the_same(cache):
    partial = cache.begin(entry_key(), len(DATA))
    for start in range(len(DATA) - 1024, -1, -1024):
        partial.write(start, memoryview(DATA)[start : start + 1024])
    cache.finish(partial, entry_key(), None)
    assert cache.find(entry_key()).read(0, len(DATA)).tobytes() == DATA


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o755), (0o002, 0o775), (0o077, 0o700)])
def test_an_entry_has_the_usual_permissions(cache, mask, mode):
    before = os.umask(mask)
    try:
        partial = cache.begin(entry_key(), 4)
        writing = stat.S_IMODE(partial.folder.stat().st_mode)
        partial.write(0, b"ones")
        cache.finish(partial, entry_key(), None)
    finally:
        os.umask(before)
    folder = cache.folder / entry_key().name
    assert writing == stat.S_IMODE(folder.stat().st_mode) == mode
    for file in folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o444 == mode & 0o444


BEGINNING = """
import sys
from pathlib import Path
from tlf.cache.store import Cache
from tlf.cache.entry import EntryKey
Cache(Path(sys.argv[1]), 10**6).begin(EntryKey("pixels", "other", {}), 600_000)
"""


def test_partial_entries_of_another_process_count_as_used_space(cache):
    partial = cache.begin(entry_key(), 600_000)
    assert "this run has stored 0 kB, others 0.6 MB" in python(BEGINNING, cache.folder).stderr
    partial.discard()
    assert python(BEGINNING, cache.folder).stderr == ""


def test_of_two_writers_the_first_stays(cache):
    first, second = cache.begin(entry_key(), 4), cache.begin(entry_key(), 4)
    second.write(0, b"twos")
    first.write(0, b"ones")
    cache.finish(first, entry_key(), "first")
    cache.finish(second, entry_key(), "second")
    entry = cache.find(entry_key())
    assert (entry.index, entry.read(0, 4).tobytes()) == ("first", b"ones")
    assert [folder.name for folder in cache.folder.iterdir()] == [entry_key().name]


def test_a_discarded_entry_leaves_nothing(cache):
    partial = cache.begin(entry_key(), 4)
    partial.write(0, b"half")
    partial.discard()
    assert cache.find(entry_key()) is None
    assert [*cache.folder.iterdir()] == []


KILLED = """
import os, signal, sys
from pathlib import Path
from tlf.cache.store import Cache
from tlf.cache.entry import EntryKey
cache = Cache(Path(sys.argv[1]), 10**6)
wanted = EntryKey("pixels", "images of one", {"name": "one"})
partial = cache.begin(wanted, 100_000)
partial.write(0, bytes(5000))
if sys.argv[2] == "finish":
    Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    cache.finish(partial, wanted, None)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("end", ["begin", "clear"])
def test_a_killed_writer_leaves_no_entry_and_its_partial_entry_is_removed(cache, end):
    assert python(KILLED, cache.folder, "write").returncode == -signal.SIGKILL
    (left,) = cache.folder.iterdir()
    assert left.name.startswith(".partial-")
    assert cache.find(entry_key()) is None
    assert cache.entries() == ()
    if end == "begin":
        store(cache)
        assert cache.find(entry_key()).read(0, len(DATA)).tobytes() == DATA
        cache.open(entry_key())
    else:
        assert cache.clear() == 5000
    assert not left.exists()


def test_a_writer_killed_on_its_last_step_leaves_no_entry(cache):
    assert python(KILLED, cache.folder, "finish").returncode == -signal.SIGKILL
    (left,) = cache.folder.iterdir()
    assert cache.find(entry_key()) is None
    os.utime(left, (1e9, 1e9))  # without a lock, it is kept for a minute
    store(cache)
    assert [folder.name for folder in cache.folder.iterdir()] == [entry_key().name]


CLEARING = """
import sys
from pathlib import Path
from tlf.cache.store import Cache
print(Cache(Path(sys.argv[1]), 9).clear())
"""


def test_a_partial_entry_of_a_running_writer_is_kept(cache):
    partial = cache.begin(entry_key(), len(DATA))
    partial.write(0, DATA)
    os.utime(partial.folder, (1e9, 1e9))
    assert python(CLEARING, cache.folder).stdout == "0\n"
    store(cache, "another")
    cache.finish(partial, entry_key(), None)
    assert cache.find(entry_key()).read(0, len(DATA)).tobytes() == DATA
