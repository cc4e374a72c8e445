"""Entries are whole or absent, whatever is killed, damaged or full."""

import errno
import multiprocessing
import os
import pickle
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from places import ROOT
from run_files import different_tensors
from small import TWO_PHASES, write_recipe
from tlf.cache.entry import EntryKey
from tlf.cache.partial import begin_partial
from tlf.cache.store import Cache, open_cache
from tlf.results import Stored
from tlf.runs.run import run

DATA = bytes(range(256)) * 40


def wanted(name="one"):
    return EntryKey("pixels", f"images of {name}", {"name": name})


def store(cache, name="one", data=DATA, used=None):
    partial = cache.begin(wanted(name), len(data))
    partial.write(0, data)
    cache.finish(partial, wanted(name), {"rows": [1, 2]})
    if used is not None:
        os.utime(cache.folder / wanted(name).name, (used, used))
    return cache.folder / wanted(name).name


def python(program, *arguments):
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache", 10**6)


def test_an_entry_is_what_was_written(cache):
    assert cache.find(wanted()) is None
    store(cache)
    entry = cache.find(wanted())
    assert (entry.title, entry.bytes, entry.index) == ("images of one", 10240, {"rows": [1, 2]})
    assert entry.read(5, 700).tobytes() == DATA[5:705]
    assert cache.open(wanted()).read(0, 10240).tobytes() == DATA
    assert cache.find(wanted("another")) is None


def test_rows_come_in_the_order_asked_for(cache):
    store(cache, data=bytes(range(24)))
    rows = cache.find(wanted()).rows([3, 0, 3], 6)
    assert rows.tolist() == [[*range(18, 24)], [*range(6)], [*range(18, 24)]]


def test_writing_in_any_order_gives_the_same(cache):
    partial = cache.begin(wanted(), len(DATA))
    for start in range(len(DATA) - 1024, -1, -1024):
        partial.write(start, memoryview(DATA)[start : start + 1024])
    cache.finish(partial, wanted(), None)
    assert cache.find(wanted()).read(0, len(DATA)).tobytes() == DATA


def test_an_entry_travels_to_another_process_and_outlives_its_removal(cache):
    store(cache)
    entry = cache.find(wanted())
    entry.read(0, 1)
    there = pickle.loads(pickle.dumps(entry))
    assert there == entry
    assert there.read(100, 10).tobytes() == DATA[100:110]
    cache.clear()
    assert entry.read(0, 10).tobytes() == there.read(0, 10).tobytes() == DATA[:10]


@pytest.mark.parametrize("get", [Cache.find, Cache.open])
def test_what_was_got_can_be_read_for_the_first_time_after_its_removal(cache, get):
    store(cache)
    entry = get(cache, wanted())
    cache.clear()
    assert entry.read(100, 10).tobytes() == DATA[100:110]


def send(entry, pipe):
    pipe.send(entry.read(100, 10).tobytes())


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_that_are_started_after_its_removal_can_read_it(cache, method):
    store(cache)
    entry = cache.find(wanted())
    cache.clear()
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=send, args=(entry, theirs))
    process.start()
    theirs.close()
    assert ours.recv() == DATA[100:110]
    process.join(60)
    assert process.exitcode == 0


def test_listing_opens_no_data(cache):
    folder = store(cache)
    (folder / "data").unlink()
    assert [entry.title for entry in cache.entries()] == ["images of one"]


def test_an_entry_that_is_let_go_is_closed(cache):
    folder = store(cache)
    entry = cache.find(wanted())
    assert is_open(folder / "data")
    del entry
    assert not is_open(folder / "data")


def is_open(path):
    return str(path.resolve()) in {file.path for file in psutil.Process().open_files()}


def test_an_entry_that_is_cut_short_while_in_use_is_an_error(cache):
    folder = store(cache)
    entry = cache.find(wanted())
    entry.read(0, len(DATA))
    os.truncate(folder / "data", 100)
    with pytest.raises(OSError, match="was truncated while it was in use"):
        entry.read(90, 20)
    with pytest.raises(OSError, match="was truncated"):
        entry.rows([0, 1], 64)


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


DAMAGES = {
    "first byte": lambda folder: flip(folder / "data", 0),
    "last byte": lambda folder: flip(folder / "data", -1),
    "one more": lambda folder: (folder / "data").write_bytes(DATA + b"\0"),
    "cut": lambda folder: os.truncate(folder / "data", len(DATA) - 1),
    "empty": lambda folder: os.truncate(folder / "data", 0),
    "no data": lambda folder: (folder / "data").unlink(),
    "note": lambda folder: flip(folder / "entry.json", 20),
    "seal": lambda folder: flip(folder / "entry.json", -2),
    "half a note": lambda folder: os.truncate(folder / "entry.json", 30),
    "no text": lambda folder: (folder / "entry.json").write_bytes(b"\xff\xfe\n"),
    "empty note": lambda folder: os.truncate(folder / "entry.json", 0),
    "no note": lambda folder: (folder / "entry.json").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_entry_is_none_and_can_be_written_anew(cache, damage):
    folder = store(cache)
    damage(folder)
    assert cache.find(wanted()) is None
    assert [*cache.folder.iterdir()] == []
    store(cache)
    assert cache.find(wanted()).read(0, len(DATA)).tobytes() == DATA


def test_every_block_is_checked(cache, monkeypatch):
    monkeypatch.setattr("tlf.cache.entry._BLOCK", 1000)
    folder = store(cache)
    assert cache.find(wanted()) is not None
    for place in range(500, len(DATA), 1000):
        flip(folder / "data", place)
        assert cache.find(wanted()) is None
        folder = store(cache)


def test_what_is_gone_cannot_be_opened(cache):
    with pytest.raises(OSError, match="is gone"):
        cache.open(wanted())


def test_entries_come_the_latest_used_first_and_use_counts(cache):
    for number, name in enumerate(("old", "new", "newest")):
        store(cache, name, used=1e9 + number)
    assert [e.title.removeprefix("images of ") for e in cache.entries()] == ["newest", "new", "old"]
    cache.find(wanted("old"))
    assert [e.title.removeprefix("images of ") for e in cache.entries()] == ["old", "newest", "new"]


@contextmanager
def somebody_else(monkeypatch, cache):
    """The cache as another user has it: root may do everything, so become one who may not."""
    if os.getuid():
        yield Cache(cache.folder, 15_000)
        return
    cache.folder.parent.chmod(0o755)
    cache.folder.chmod(0o777)
    monkeypatch.chdir(cache.folder.parent)  # root alone can come to it by its whole path
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


def test_what_cannot_be_looked_into_is_left_out_and_the_rest_goes_on(cache, locked_up, monkeypatch):
    store(cache, "known")
    with somebody_else(monkeypatch, cache) as theirs:
        assert [entry.title for entry in theirs.entries()] == ["images of known"]
        store(theirs, "one", bytes(2000))
        assert theirs.find(wanted("one")).read(0, 4).tobytes() == bytes(4)
        theirs.clear()
        assert theirs.find(wanted("one")) is None
    assert all(folder.is_dir() for folder in locked_up)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be two users")
def test_what_others_stored_is_used_and_stays(cache, monkeypatch):
    store(cache, used=1e9)
    with somebody_else(monkeypatch, cache) as theirs:
        assert theirs.find(wanted()).read(0, len(DATA)).tobytes() == DATA
        with pytest.raises(OSError, match=r"takes 10 kB, this run has stored 0 kB, others 11 kB, "):
            Cache(theirs.folder, 15_000).begin(wanted("two"), 10_000)
        assert theirs.clear() == 0
    assert cache.find(wanted()).read(0, len(DATA)).tobytes() == DATA
    assert [folder.name for folder in cache.folder.iterdir()] == [wanted().name]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be two users")
def test_what_others_stored_and_is_damaged_is_neither_used_nor_replaced(cache, monkeypatch):
    flip(store(cache, data=bytes(100)) / "data", 7)
    with somebody_else(monkeypatch, cache) as theirs:
        assert theirs.find(wanted()) is None
        with pytest.raises(OSError, match="another user's entry is in its place and is damaged"):
            store(theirs)


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o755), (0o002, 0o775), (0o077, 0o700)])
def test_who_may_read_an_entry_is_as_with_other_files(cache, mask, mode):
    before = os.umask(mask)
    try:
        partial = cache.begin(wanted(), 4)
        writing = stat.S_IMODE(partial.folder.stat().st_mode)
        partial.write(0, b"ones")
        cache.finish(partial, wanted(), None)
    finally:
        os.umask(before)
    folder = cache.folder / wanted().name
    assert writing == stat.S_IMODE(folder.stat().st_mode) == mode
    for file in folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o444 == mode & 0o444


@pytest.mark.parametrize("number", [errno.EROFS, errno.EPERM, errno.EACCES])
def test_a_cache_that_cannot_be_written_to_is_read(cache, monkeypatch, number):
    store(cache)

    def refused(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "utime", refused)
    assert cache.find(wanted()).read(0, len(DATA)).tobytes() == DATA


def test_what_exceeds_the_budget_is_refused(cache):
    with pytest.raises(OSError, match=r"^it takes 1\.1 MB and cache\.max_gb allows 1\.0 MB$"):
        cache.begin(wanted(), 1_100_000)
    assert not cache.folder.exists()


def test_what_was_used_longest_ago_makes_room(tmp_path):
    for number, name in enumerate("abc"):
        store(Cache(tmp_path, 30_000), name, bytes(10_000), used=1e9 + number)
    Cache(tmp_path, 30_000).find(wanted("a"))
    other = Cache(tmp_path, 30_000)
    store(other, "d", bytes(10_000))
    assert [e.title.removeprefix("images of ") for e in other.entries()] == ["d", "a", "c"]


def test_what_is_in_use_does_not_make_room(tmp_path):
    cache = Cache(tmp_path, 30_000)
    for number, name in enumerate("abc"):
        store(cache, name, bytes(10_000), used=1e9 + number)
        cache.open(wanted(name))
    with pytest.raises(OSError, match=r"it takes 10 kB, this run has stored 30 kB, and "):
        cache.begin(wanted("d"), 10_000)
    assert len(cache.entries()) == 3


def test_what_another_run_reads_does_not_make_room_and_is_cleared_all_the_same(tmp_path):
    """Removed, it would take its place on the disk until that run ends, and be lost to the next."""
    for number, name in enumerate("abc"):
        store(Cache(tmp_path, 30_000), name, bytes(10_000), used=1e9 + number)
    reading = Cache(tmp_path, 30_000).find(wanted("a"))
    os.utime(reading.folder, (1e9, 1e9))  # the run goes on for long
    other = Cache(tmp_path, 30_000)
    store(other, "d", bytes(10_000))
    assert {e.title.removeprefix("images of ") for e in other.entries()} == {"a", "c", "d"}
    with pytest.raises(OSError, match="this run has stored 0 kB, others 10 kB, and"):
        Cache(tmp_path, 30_000).begin(wanted("e"), 25_000)
    del reading
    Cache(tmp_path, 30_000).begin(wanted("e"), 25_000).discard()
    store(other, "f", bytes(10_000))
    reading = other.find(wanted("f"))
    Cache(tmp_path, 0).clear()
    assert other.entries() == ()
    assert reading.read(0, 10).tobytes() == bytes(10)


def test_what_is_being_written_counts(cache):
    store(cache, "old", used=1e9)
    first = cache.begin(wanted("first"), 600_000)
    with pytest.raises(
        OSError, match=r"it takes 0\.6 MB, this run has .* 0 kB, others 0\.6 MB, and"
    ):
        cache.begin(wanted("second"), 600_000)
    assert [entry.title.removeprefix("images of ") for entry in cache.entries()] == ["old"], (
        "removed, and for nothing"
    )
    cache.begin(wanted("second"), 300_000).discard()
    first.discard()
    cache.begin(wanted("second"), 600_000).discard()


BEGINNING = """
import sys
from pathlib import Path
from tlf.cache.store import Cache
from tlf.cache.entry import EntryKey
Cache(Path(sys.argv[1]), 10**6).begin(EntryKey("pixels", "other", {}), 600_000)
"""


def test_what_another_process_writes_counts(cache):
    partial = cache.begin(wanted(), 600_000)
    assert "this run has stored 0 kB, others 0.6 MB" in python(BEGINNING, cache.folder).stderr
    partial.discard()
    assert python(BEGINNING, cache.folder).stderr == ""


def test_of_those_that_begin_at_the_same_moment_as_many_begin_as_fit(cache, monkeypatch):
    def slow(*arguments, begin_partial=begin_partial):
        time.sleep(0.1)
        return begin_partial(*arguments)

    def begun(name):
        try:
            return Cache(cache.folder, 10**6).begin(wanted(name), 400_000)
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
        cache.begin(wanted(), 600_000)
    cache.begin(wanted(), 400_000).discard()


class Disk:
    free = 1_000_000


def test_of_two_writers_the_first_stays(cache):
    first, second = cache.begin(wanted(), 4), cache.begin(wanted(), 4)
    second.write(0, b"twos")
    first.write(0, b"ones")
    cache.finish(first, wanted(), "first")
    cache.finish(second, wanted(), "second")
    entry = cache.find(wanted())
    assert (entry.index, entry.read(0, 4).tobytes()) == ("first", b"ones")
    assert [folder.name for folder in cache.folder.iterdir()] == [wanted().name]


def test_what_is_begun_and_discarded_leaves_nothing(cache):
    partial = cache.begin(wanted(), 4)
    partial.write(0, b"half")
    partial.discard()
    assert cache.find(wanted()) is None
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
def test_a_killed_writer_leaves_no_entry_and_its_part_is_cleared(cache, end):
    assert python(KILLED, cache.folder, "write").returncode == -signal.SIGKILL
    (left,) = cache.folder.iterdir()
    assert left.name.startswith(".partial-")
    assert cache.find(wanted()) is None
    assert cache.entries() == ()
    if end == "begin":
        store(cache)
        assert cache.find(wanted()).read(0, len(DATA)).tobytes() == DATA
        cache.open(wanted())
    else:
        assert cache.clear() == 5000
    assert not left.exists()


def test_a_writer_killed_on_its_last_step_leaves_no_entry(cache):
    assert python(KILLED, cache.folder, "finish").returncode == -signal.SIGKILL
    (left,) = cache.folder.iterdir()
    assert cache.find(wanted()) is None
    os.utime(left, (1e9, 1e9))  # without a lock, it may be anybody's for a minute
    store(cache)
    assert [folder.name for folder in cache.folder.iterdir()] == [wanted().name]


CLEARING = """
import sys
from pathlib import Path
from tlf.cache.store import Cache
print(Cache(Path(sys.argv[1]), 9).clear())
"""


def test_a_living_writers_part_is_left_alone(cache):
    partial = cache.begin(wanted(), len(DATA))
    partial.write(0, DATA)
    os.utime(partial.folder, (1e9, 1e9))
    assert python(CLEARING, cache.folder).stdout == "0\n"
    store(cache, "another")
    cache.finish(partial, wanted(), None)
    assert cache.find(wanted()).read(0, len(DATA)).tobytes() == DATA


def test_clearing_says_what_it_frees(cache):
    folders = [store(cache, name) for name in "ab"]
    sizes = sum(file.stat().st_size for folder in folders for file in folder.iterdir())
    assert cache.clear() == sizes
    assert cache.clear() == 0
    assert cache.entries() == ()


def test_names_say_what_entries_depend_on():
    one = EntryKey("pixels", "one", {"a": 1, "b": [2]})
    assert one.name == EntryKey("pixels", "other title", {"b": [2], "a": 1}).name
    others = [
        EntryKey("pixels", "one", {"a": 1}),
        EntryKey("activations", "one", {"a": 1, "b": [2]}),
    ]
    assert len({one.name, *(other.name for other in others)}) == 3


def test_the_default_folder_is_tlfs_own(tmp_path, monkeypatch):
    monkeypatch.setenv("TLF_CACHE", str(tmp_path))
    assert open_cache(None, 2).folder == tmp_path / "chain"
    assert open_cache(None, 2).max_bytes == 2 * 10**9
    assert open_cache("~/there", 2).folder == Path.home() / "there"


# Whole runs

SMALL = ("phases.1.epochs=1",)


def assert_same(one, other):
    assert different_tensors(one / "model.safetensors", other / "model.safetensors") == []
    assert (one / "predictions.csv").read_bytes() == (other / "predictions.csv").read_bytes()


@pytest.fixture(scope="module")
def uncached(tmp_path_factory, images):
    """A run without the cache, of the recipe that ``recipe`` gives."""
    folder = tmp_path_factory.mktemp("uncached")
    path = write_recipe(folder / "recipe.toml", images, TWO_PHASES)
    for _ in run(path, [*SMALL, 'cache.mode="off"']):
        pass
    return folder / "run"


def stored(recipe, folder, output):
    events = [*run(recipe, [*SMALL, f"cache.dir={folder}", f"output={output}"])]
    return {event.title: event.reused for event in events if isinstance(event, Stored)}


def test_damage_between_two_runs_is_mended(tmp_path, recipe, uncached):
    folder = tmp_path / "cache"
    told = stored(recipe, folder, tmp_path / "first")
    assert len(told) == 4
    for name, damage in (("cut", "cut short"), ("flipped", "flipped")):
        for data in folder.glob("*/data"):
            if damage == "cut short":
                os.truncate(data, data.stat().st_size // 2)
            else:
                flip(data, 1000)
        assert stored(recipe, folder, tmp_path / name) == dict.fromkeys(told, False)
        assert_same(uncached, tmp_path / name)
    assert stored(recipe, folder, tmp_path / "last") == dict.fromkeys(told, True)
    assert_same(uncached, tmp_path / "last")


RUN = """
import os, resource, signal, sys
from tlf.results import Notice, Prepared
from tlf.runs.run import RunStarted, run
path, place, *overrides = sys.argv[1:]
limit = resource.getrlimit(resource.RLIMIT_FSIZE)
if place == "full":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))
for event in run(path, overrides):
    if isinstance(event, RunStarted):
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    if isinstance(event, Notice):
        print(event.text)
    if isinstance(event, Prepared) and event.title.startswith(place):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("place", ["decoding train", "features of 20 train"])
def test_a_run_killed_while_it_fills_leaves_nothing_wrong(tmp_path, recipe, uncached, place):
    folder = tmp_path / "cache"
    done = python(RUN, recipe, place, f"cache.dir={folder}", *SMALL)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [*folder.glob(".partial-*")]
    told = stored(recipe, folder, tmp_path / "again")
    assert not any(reused for title, reused in told.items() if title.startswith("features"))
    assert_same(uncached, tmp_path / "again")
    assert not [*folder.glob(".partial-*")]
    assert all(stored(recipe, folder, tmp_path / "warm").values())
    assert_same(uncached, tmp_path / "warm")


def test_a_full_disk_costs_time_and_nothing_else(tmp_path, recipe, uncached):
    places = (f"cache.dir={tmp_path / 'cache'}", f"output={tmp_path / 'full'}")
    done = python(RUN, recipe, "full", *places, *SMALL)
    assert done.returncode == 0, done.stderr
    for what in ("20 decoded train images", "11 decoded eval images"):
        assert f"{what}: not stored, File too large; computed anew" in done.stdout
    assert_same(uncached, tmp_path / "full")
    titles = [entry.title for entry in Cache(tmp_path / "cache", 0).entries()]
    assert len(titles) == 2
    assert not [*(tmp_path / "cache").glob(".partial-*")]


def test_two_runs_may_fill_the_same_cache(tmp_path, recipe, uncached):
    folder = tmp_path / "cache"
    program = [sys.executable, "-c", RUN, recipe, "never", f"cache.dir={folder}", *SMALL]
    processes = [
        subprocess.Popen([*map(str, program), f"output={tmp_path / name}"], cwd=ROOT)
        for name in ("one", "two")
    ]
    assert [process.wait(300) for process in processes] == [0, 0]
    for name in ("one", "two"):
        assert_same(uncached, tmp_path / name)
    assert len([*folder.iterdir()]) == 4
    assert all(stored(recipe, folder, tmp_path / "after").values())
    assert_same(uncached, tmp_path / "after")
