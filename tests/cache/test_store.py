"""The folder of entries: finding, listing, evicting and clearing them."""

import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from entries import DATA, entry_key, flip, store
from tlf.cache.entry import EntryKey
from tlf.cache.partial import begin_partial
from tlf.cache.store import Cache, open_cache


def test_an_entry_that_is_removed_cannot_be_opened(cache):
    with pytest.raises(OSError, match="is gone"):
        cache.open(entry_key())


def test_entries_are_listed_the_most_recently_used_first(cache):
    for number, name in enumerate(("old", "new", "newest")):
        store(cache, name, used=1e9 + number)
    assert [e.title.removeprefix("images of ") for e in cache.entries()] == ["newest", "new", "old"]
    cache.find(entry_key("old"))
    assert [e.title.removeprefix("images of ") for e in cache.entries()] == ["old", "newest", "new"]


@contextmanager
def another_user(monkeypatch, cache):
    """The cache as another user has it: root may do everything, so become one who may not."""
    if os.getuid():
        yield Cache(cache.folder, 15_000)
        return
    cache.folder.parent.chmod(0o755)
    cache.folder.chmod(0o777)
    monkeypatch.chdir(cache.folder.parent)  # other users cannot enter tmp_path, but may stay in it
    os.setresuid(65534, 65534, 0)
    try:
        yield Cache(Path(cache.folder.name), 15_000)
    finally:
        os.setresuid(0, 0, 0)
        monkeypatch.undo()


@pytest.fixture
def locked_up(cache):
    """An entry and a partial entry whose folders cannot be looked into."""
    folders = (store(cache, "secret", used=1e9), cache.folder / ".partial-1-abc")
    folders[1].mkdir()
    for folder in folders:
        folder.chmod(0)
    yield folders
    for folder in folders:
        if folder.exists():
            folder.chmod(0o700)


def test_unreadable_folders_of_others_are_ignored(cache, locked_up, monkeypatch):
    store(cache, "known")
    with another_user(monkeypatch, cache) as theirs:
        assert [entry.title for entry in theirs.entries()] == ["images of known"]
        store(theirs, "one", bytes(2000))
        assert theirs.find(entry_key("one")).read(0, 4).tobytes() == bytes(4)
        theirs.clear()
        assert theirs.find(entry_key("one")) is None
    assert all(folder.is_dir() for folder in locked_up)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be two users")
def test_entries_of_others_are_used_and_not_removed(cache, monkeypatch):
    store(cache, used=1e9)
    with another_user(monkeypatch, cache) as theirs:
        assert theirs.find(entry_key()).read(0, len(DATA)).tobytes() == DATA
        with pytest.raises(OSError, match=r"takes 10 kB, this run has stored 0 kB, others 11 kB, "):
            Cache(theirs.folder, 15_000).begin(entry_key("two"), 10_000)
        assert theirs.clear() == 0
    assert cache.find(entry_key()).read(0, len(DATA)).tobytes() == DATA
    assert [folder.name for folder in cache.folder.iterdir()] == [entry_key().name]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be two users")
def test_damaged_entries_of_others_are_neither_used_nor_replaced(cache, monkeypatch):
    flip(store(cache, data=bytes(100)) / "data", 7)
    with another_user(monkeypatch, cache) as theirs:
        assert theirs.find(entry_key()) is None
        with pytest.raises(OSError, match="another user's entry is in its place and is damaged"):
            store(theirs)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EPERM, errno.EACCES])
def test_a_cache_that_cannot_be_written_to_is_read(cache, monkeypatch, number):
    store(cache)

    def refused(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "utime", refused)
    assert cache.find(entry_key()).read(0, len(DATA)).tobytes() == DATA


def test_an_entry_above_the_budget_is_refused(cache):
    with pytest.raises(OSError, match=r"^it takes 1\.1 MB and cache\.max_gb allows 1\.0 MB$"):
        cache.begin(entry_key(), 1_100_000)
    assert not cache.folder.exists()


def test_the_least_recently_used_entry_is_evicted(tmp_path):
    for number, name in enumerate("abc"):
        store(Cache(tmp_path, 30_000), name, bytes(10_000), used=1e9 + number)
    Cache(tmp_path, 30_000).find(entry_key("a"))
    other = Cache(tmp_path, 30_000)
    store(other, "d", bytes(10_000))
    assert [e.title.removeprefix("images of ") for e in other.entries()] == ["d", "a", "c"]


def test_many_entries_are_looked_at_once_and_not_once_for_each(tmp_path, monkeypatch):
    """With 600 entries, to store one more took six seconds."""
    cache = Cache(tmp_path, 10**6)
    for number in range(9):
        store(cache, f"{number}", bytes(1000), used=1e9 + number)
    looked, lack = [], Cache._lack
    monkeypatch.setattr(Cache, "_lack", lambda *args: looked.append(1) or lack(*args))
    store(cache, "one more", bytes(1000))
    assert len(looked) == 1
    looked.clear()
    store(Cache(tmp_path, 10_000), "two of them go", bytes(2000))
    assert len(looked) == 4  # before, with all that may go gone, and after each that went
    assert len(cache.entries()) == 9


def test_entries_of_this_run_are_not_evicted(tmp_path):
    cache = Cache(tmp_path, 30_000)
    for number, name in enumerate("abc"):
        store(cache, name, bytes(10_000), used=1e9 + number)
        cache.open(entry_key(name))
    with pytest.raises(OSError, match=r"it takes 10 kB, this run has stored 30 kB, and "):
        cache.begin(entry_key("d"), 10_000)
    assert len(cache.entries()) == 3


def test_an_entry_that_another_run_reads_is_not_evicted_but_cleared(tmp_path):
    """Evicted, it would take space until that run ends, and the next run would lose it."""
    for number, name in enumerate("abc"):
        store(Cache(tmp_path, 30_000), name, bytes(10_000), used=1e9 + number)
    reading = Cache(tmp_path, 30_000).find(entry_key("a"))
    os.utime(reading.folder, (1e9, 1e9))  # a long run
    other = Cache(tmp_path, 30_000)
    store(other, "d", bytes(10_000))
    assert {e.title.removeprefix("images of ") for e in other.entries()} == {"a", "c", "d"}
    with pytest.raises(OSError, match="this run has stored 0 kB, others 10 kB, and"):
        Cache(tmp_path, 30_000).begin(entry_key("e"), 25_000)
    del reading
    Cache(tmp_path, 30_000).begin(entry_key("e"), 25_000).discard()
    store(other, "f", bytes(10_000))
    reading = other.find(entry_key("f"))
    Cache(tmp_path, 0).clear()
    assert other.entries() == ()
    assert reading.read(0, 10).tobytes() == bytes(10)


def test_partial_entries_count_as_used_space(cache):
    store(cache, "old", used=1e9)
    first = cache.begin(entry_key("first"), 600_000)
    with pytest.raises(
        OSError, match=r"it takes 0\.6 MB, this run has .* 0 kB, others 0\.6 MB, and"
    ):
        cache.begin(entry_key("second"), 600_000)
    assert [entry.title.removeprefix("images of ") for entry in cache.entries()] == ["old"], (
        "evicted, and for nothing"
    )
    cache.begin(entry_key("second"), 300_000).discard()
    first.discard()
    cache.begin(entry_key("second"), 600_000).discard()


def test_processes_that_begin_at_the_same_time_fit_together(cache, monkeypatch):
    def slow(*arguments, begin_partial=begin_partial):
        time.sleep(0.1)
        return begin_partial(*arguments)

    def begun(name):
        try:
            return Cache(cache.folder, 10**6).begin(entry_key(name), 400_000)
        except OSError:
            return None

    monkeypatch.setattr("tlf.cache.store.begin_partial", slow)
    with ThreadPoolExecutor(4) as threads:
        partials = [partial for partial in threads.map(begun, "abcd") if partial]
    assert len(partials) == 2
    for partial in partials:
        partial.discard()


def test_half_of_the_disk_stays_free(cache, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: Disk)
    with pytest.raises(OSError, match=r"it takes 0\.6 MB and only 1\.0 MB of the disk are free"):
        cache.begin(entry_key(), 600_000)
    cache.begin(entry_key(), 400_000).discard()


class Disk:
    free = 1_000_000


def test_clear_returns_how_many_bytes_it_frees(cache):
    folders = [store(cache, name) for name in "ab"]
    sizes = sum(file.stat().st_size for folder in folders for file in folder.iterdir())
    assert cache.clear() == sizes
    assert cache.clear() == 0
    assert cache.entries() == ()


def test_the_default_folder_is_tlfs_own(tmp_path, monkeypatch):
    monkeypatch.setenv("TLF_CACHE", str(tmp_path))
    assert open_cache(None, 2).folder == tmp_path / "chain"
    assert open_cache(None, 2).max_bytes == 2 * 10**9
    assert open_cache("~/there", 2).folder == Path.home() / "there"


def sharing(name, share=0.25):
    return EntryKey("full-pixels", name, {"name": name}, share)


def stored_sharing(cache, name, size, used):
    partial = cache.begin(sharing(name), size)
    partial.write(0, bytes(size))
    cache.finish(partial, sharing(name), None)
    os.utime(cache.folder / sharing(name).name, (used, used))


def titles(cache):
    return {entry.title for entry in cache.entries()}


def test_a_kind_with_a_share_of_the_budget_evicts_its_own_kind_alone(tmp_path):
    store(Cache(tmp_path, 100_000), "features", bytes(10_000), used=1e8)  # the oldest
    for number, name in enumerate("ab"):
        stored_sharing(Cache(tmp_path, 100_000), name, 10_000, 1e9 + number)
    stored_sharing(Cache(tmp_path, 100_000), "c", 10_000, 2e9)
    assert titles(Cache(tmp_path, 100_000)) == {"images of features", "b", "c"}


def test_a_kind_with_a_share_of_the_budget_takes_no_more(tmp_path):
    cache = Cache(tmp_path, 100_000)
    message = r"it takes 26 kB and cache\.max_gb allows 25 kB for full-pixels$"
    with pytest.raises(OSError, match=message):
        cache.begin(sharing("large"), 26_000)
    first = cache.begin(sharing("first"), 15_000)
    message = r"takes 15 kB, .* 0 kB, others 15 kB, and cache\.max_gb allows 25 kB for full-pixels"
    with pytest.raises(OSError, match=message):
        Cache(tmp_path, 100_000).begin(sharing("second"), 15_000)
    cache.begin(entry_key("features"), 80_000).discard()  # others have the whole budget
    first.discard()


def test_a_kind_with_a_share_of_the_budget_is_not_stored_where_others_fill_it(tmp_path):
    store(Cache(tmp_path, 30_000), "features", bytes(25_000), used=1e9)
    with pytest.raises(OSError, match=r"others 25 kB, and cache\.max_gb allows 30 kB$"):
        Cache(tmp_path, 30_000).begin(sharing("full"), 6_000)
    assert titles(Cache(tmp_path, 30_000)) == {"images of features"}


def test_other_kinds_evict_a_kind_with_a_share(tmp_path):
    stored_sharing(Cache(tmp_path, 30_000), "full", 7_000, 1e9)
    store(Cache(tmp_path, 30_000), "features", bytes(25_000))
    assert titles(Cache(tmp_path, 30_000)) == {"images of features"}


def test_an_entry_that_cannot_be_read_is_listed_and_takes_space(cache):
    """One of a later version, for example: it is evicted as any other."""
    (store(cache, "old", bytes(600_000)) / "entry.json").write_text("{}")
    (entry,) = cache.entries()
    assert entry.title == "unreadable: damaged, or of another version of tlf"
    assert 600_000 <= entry.bytes < 600_100
    with pytest.raises(OSError, match=r"this run has stored 0\.6 MB"):
        Cache(cache.folder, 10**6, used={entry.folder.name}).begin(entry_key("new"), 10**6 - 10)
    cache.begin(entry_key("new"), 600_000).discard()
    assert cache.entries() == ()


def test_opening_a_cache_makes_no_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TLF_CACHE", str(tmp_path / "file" / "cache"))
    (tmp_path / "file").write_text("")
    cache = open_cache()
    assert cache.entries() == ()
    assert cache.clear() == 0
    with pytest.raises(OSError, match=r"cannot make the folder .*chain: Not a directory"):
        cache.begin(entry_key(), 10)
