"""An entry is read as it was written, or not at all."""

import json
import multiprocessing
import os
import pickle
import tracemalloc
from hashlib import sha256

import psutil
import pytest

from entries import DATA, entry_key, flip, store
from tlf.cache.entry import EntryKey, read_note, write_note
from tlf.cache.store import Cache


def test_an_entry_is_what_was_written(cache):
    assert cache.find(entry_key()) is None
    store(cache)
    entry = cache.find(entry_key())
    assert (entry.title, entry.bytes, entry.index) == ("images of one", 10240, {"rows": [1, 2]})
    assert entry.read(5, 700).tobytes() == DATA[5:705]
    assert cache.open(entry_key()).read(0, 10240).tobytes() == DATA
    assert cache.find(entry_key("another")) is None


def test_rows_are_returned_in_the_order_of_their_numbers(cache):
    store(cache, data=bytes(range(24)))
    rows = cache.find(entry_key()).rows([3, 0, 3], 6)
    assert rows.tolist() == [[*range(18, 24)], [*range(6)], [*range(18, 24)]]


def test_an_entry_travels_to_another_process_and_outlives_its_removal(cache):
    store(cache)
    entry = cache.find(entry_key())
    entry.read(0, 1)
    there = pickle.loads(pickle.dumps(entry))
    assert there == entry
    assert there.read(100, 10).tobytes() == DATA[100:110]
    cache.clear()
    assert entry.read(0, 10).tobytes() == there.read(0, 10).tobytes() == DATA[:10]


@pytest.mark.parametrize("get", [Cache.find, Cache.open])
def test_an_entry_can_be_read_for_the_first_time_after_its_removal(cache, get):
    store(cache)
    entry = get(cache, entry_key())
    cache.clear()
    assert entry.read(100, 10).tobytes() == DATA[100:110]


def send(entry, pipe):
    pipe.send(entry.read(100, 10).tobytes())


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_started_after_its_removal_can_read_it(cache, method):
    store(cache)
    entry = cache.find(entry_key())
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


def test_an_entry_that_is_deleted_closes_its_file(cache):
    folder = store(cache)
    entry = cache.find(entry_key())
    assert is_open(folder / "data")
    del entry
    assert not is_open(folder / "data")


def is_open(path):
    return str(path.resolve()) in {file.path for file in psutil.Process().open_files()}


def test_an_entry_that_is_truncated_while_in_use_is_an_error(cache):
    folder = store(cache)
    entry = cache.find(entry_key())
    entry.read(0, len(DATA))
    assert entry.is_whole()
    os.truncate(folder / "data", 100)
    assert not entry.is_whole()
    with pytest.raises(OSError, match="was truncated while it was in use"):
        entry.read(90, 20)
    with pytest.raises(OSError, match="was truncated"):
        entry.rows([0, 1], 64)


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
def test_a_damaged_entry_is_not_found_and_can_be_written_again(cache, damage):
    folder = store(cache)
    damage(folder)
    assert cache.find(entry_key()) is None
    assert [*cache.folder.iterdir()] == []
    store(cache)
    assert cache.find(entry_key()).read(0, len(DATA)).tobytes() == DATA


def forge(**changes):
    """Write a note again, with some values changed and a right seal."""

    def forge(folder):
        path = folder / "entry.json"
        note = json.loads(path.read_text().partition("\n")[0]) | changes
        text = json.dumps({name: value for name, value in note.items() if value is not GONE})
        path.write_text(f"{text}\n{sha256(text.encode()).hexdigest()}\n")

    return forge


def replace_by(make, name):
    """Put something else than a file in the place of one."""

    def replace(folder):
        (folder / name).unlink()
        make(folder / name)

    return replace


def hole(path):
    with path.open("wb") as file:
        file.truncate(2**40)


GONE = object()
FORGERIES = {
    "a later format": forge(format=2),
    "no format": forge(format=GONE),
    "another key": forge(depends={"name": "two"}),
    "no key": forge(depends=None),
    "fewer bytes": forge(bytes=10),
    "bytes as text": forge(bytes="10240"),
    "negative": forge(bytes=-1),
    "no title": forge(title=GONE),
    "no blocks": forge(blocks=[]),
    "blocks of another kind": forge(blocks={"a": 1}),
    "a note that is no table": lambda folder: (folder / "entry.json").write_text(
        f"[]\n{sha256(b'[]').hexdigest()}"
    ),
    "a note that is no JSON": lambda folder: (folder / "entry.json").write_text(
        f"{{\n{sha256(b'{').hexdigest()}"
    ),
    "a nested note": lambda folder: (folder / "entry.json").write_text(
        "[" * 10**5 + f"\n{sha256(b'[' * 10**5).hexdigest()}"
    ),
    "a pipe as note": replace_by(os.mkfifo, "entry.json"),
    "a pipe as data": replace_by(os.mkfifo, "data"),
    "a folder as note": replace_by(os.mkdir, "entry.json"),
    "a folder as data": replace_by(os.mkdir, "data"),
    "a note of holes": replace_by(hole, "entry.json"),
    "data of holes": replace_by(hole, "data"),
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_entry_is_set_aside(cache, forgery):
    folder = store(cache)
    forgery(folder)
    assert len(cache.entries()) == 1
    cache.begin(entry_key("another"), 10).discard()
    assert cache.find(entry_key()) is None
    assert [*cache.folder.iterdir()] == []
    store(cache)
    assert cache.find(entry_key()).read(0, len(DATA)).tobytes() == DATA


def test_an_entry_under_the_name_of_another_is_set_aside(cache):
    other = store(cache, "two", data=bytes(len(DATA)))
    other.rename(cache.folder / entry_key("one").name)
    with pytest.raises(OSError, match="is gone"):
        cache.open(entry_key("one"))
    assert cache.find(entry_key("one")) is None
    assert [*cache.folder.iterdir()] == []


def test_what_does_not_fit_is_set_aside(cache):
    store(cache)
    assert cache.find(entry_key(), lambda entry: entry.bytes == len(DATA)) is not None
    assert cache.find(entry_key(), lambda entry: entry.index is None) is None
    assert [*cache.folder.iterdir()] == []


def test_every_block_is_checked(cache, monkeypatch):
    monkeypatch.setattr("tlf.cache.entry._BLOCK", 1000)
    folder = store(cache)
    assert cache.find(entry_key()) is not None
    for place in range(500, len(DATA), 1000):
        flip(folder / "data", place)
        assert cache.find(entry_key()) is None
        folder = store(cache)


def test_the_name_of_an_entry_depends_on_its_kind_and_key():
    one = EntryKey("pixels", "one", {"a": 1, "b": [2]})
    assert one.name == EntryKey("pixels", "other title", {"b": [2], "a": 1}).name
    others = [
        EntryKey("pixels", "one", {"a": 1}),
        EntryKey("activations", "one", {"a": 1, "b": [2]}),
    ]
    assert len({one.name, *(other.name for other in others)}) == 3


def test_a_large_note_is_copied_twice_at_most(tmp_path):
    """Of a million images, it has some 16 MB."""
    (tmp_path / "data").write_bytes(DATA)
    index = "x" * 10**6
    tracemalloc.start()
    write_note(tmp_path, "title", {}, index)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2.5 * len(index)
    assert read_note(tmp_path)["index"] == index
