"""An entry is computed once and found later; if it cannot be stored, the run continues."""

import os

import psutil
import pytest

from tlf.cache.entry import EntryKey
from tlf.cache.find_or_compute import _filled, compute, find_or_compute, share
from tlf.cache.partial import Partial
from tlf.cache.store import Cache
from tlf.events import Notice, Prepared, Stored

KEY = EntryKey("activations", "features of 4 images", {"of": 4})


class Alone:
    """The part of an Accelerator that is used here, with one process."""

    num_processes = 1
    process_index = local_process_index = 0
    is_main_process = is_local_main_process = True


def fill(partial):
    partial.write(0, b"ab")
    yield Prepared("features", 2, 4)
    partial.write(2, b"cd")
    yield Prepared("features", 4, 4)
    return {"images": 4}


def never(*_):
    raise AssertionError("nothing should be computed")


def result_of(cache, size, filling):
    """What ``find_or_compute`` returns, and the events that it yields."""
    events = []
    return returned(find_or_compute(Alone(), cache, KEY, size, filling), events), events


def returned(generator, events=None):
    """What a generator returns; what it yields is added to ``events``."""
    while True:
        try:
            event = next(generator)
        except StopIteration as end:
            return end.value
        if events is not None:
            events.append(event)


def test_a_missing_entry_is_computed_and_then_found(cache):
    entry, events = result_of(cache, 4, fill)
    assert entry.read(0, 4).tobytes() == b"abcd"
    assert entry.index == {"images": 4}
    progress = [Prepared("features", 2, 4), Prepared("features", 4, 4)]
    assert events == [*progress, Stored(KEY.title, 4, reused=False)]
    again, events = result_of(cache, 4, never)
    assert again == entry
    assert events == [Stored(KEY.title, 4, reused=True)]


def test_the_title_may_depend_on_the_index(cache):
    def titled(note):
        return f"{note['images']} of 5 images"

    entry, outcome = returned(compute(Alone(), cache, KEY, 4, fill, titled))
    assert outcome == Stored("4 of 5 images", 4, reused=False)
    assert entry.title == "4 of 5 images"
    found, _ = result_of(cache, 4, never)
    assert found.title == "4 of 5 images"


def test_a_damaged_entry_is_computed_again(cache):
    result_of(cache, 4, fill)
    (cache.folder / KEY.name / "data").write_bytes(b"abce")
    entry, events = result_of(cache, 4, fill)
    assert entry.read(0, 4).tobytes() == b"abcd"
    assert events[-1] == Stored(KEY.title, 4, reused=False)


def test_an_entry_that_does_not_fit_is_not_computed(cache):
    entry, events = result_of(cache, 2 * 10**6, never)
    assert entry is None
    assert events == [
        Notice(
            "features of 4 images: not stored, it takes 2.0 MB and cache.max_gb allows 1.0 MB; "
            "computed anew in every epoch"
        )
    ]


def test_a_file_in_place_of_the_folder_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    entry, (notice,) = result_of(Cache(tmp_path / "file", 10**6), 4, never)
    assert entry is None
    assert notice.text.startswith("features of 4 images: not stored, ")


def test_a_full_disk_leaves_nothing_behind(cache):
    def broken(partial):
        partial.write(0, b"ab")
        yield Prepared("features", 2, 4)
        raise OSError(28, "No space left on device")

    entry, events = result_of(cache, 4, broken)
    assert entry is None
    assert isinstance(events[-1], Notice)
    assert ": not stored, No space left on device; " in events[-1].text
    assert [*cache.folder.iterdir()] == []


class Another(Alone):
    """A second process of the machine, which only writes."""

    process_index = local_process_index = 1
    is_main_process = is_local_main_process = False


@pytest.mark.parametrize("process", [Alone, Another])
def test_every_process_closes_the_file_on_a_full_disk(cache, process):
    """A removed file takes space on the disk as long as a process has it open."""

    def full(partial):
        partial.write(0, b"ab")
        yield Prepared("features", 2, 4)
        raise OSError(28, "No space left on device")

    before = psutil.Process().num_fds()
    begun = cache.begin(KEY, 4)
    written = begun if process is Alone else Partial(begun.folder)
    with pytest.raises(OSError, match="No space left on device"):
        list(_filled(process(), written, full))
    begun.discard()
    assert psutil.Process().num_fds() == before


@pytest.mark.parametrize("process", [Alone, Another])
def test_the_file_is_open_before_threads_write_to_it(cache, monkeypatch, process):
    """Two threads could each open it at the same time, and one file would stay open."""
    opened = []

    def counted(path, *arguments, os_open=os.open):
        opened.append(path)
        return os_open(path, *arguments)

    def fill(partial):
        before = len(opened)
        partial.write(0, b"abcd")
        yield Prepared("features", 4, 4)
        return len(opened) - before

    begun = cache.begin(KEY, 4)
    monkeypatch.setattr(os, "open", counted)
    written = begun if process is Alone else Partial(begun.folder)
    in_threads = returned(_filled(process(), written, fill))
    begun.discard()
    assert in_threads == 0


@pytest.mark.parametrize("kind", [KeyboardInterrupt, ValueError])
def test_other_errors_are_raised_and_leave_nothing_behind(cache, kind):
    def broken(partial):
        partial.write(0, b"ab")
        yield Prepared("features", 2, 4)
        raise kind("stop")

    with pytest.raises(kind, match="stop"):
        result_of(cache, 4, broken)
    assert [*cache.folder.iterdir()] == []


def test_a_closed_generator_leaves_nothing_behind(cache):
    generator = find_or_compute(Alone(), cache, KEY, 4, fill)
    assert next(generator) == Prepared("features", 2, 4)
    generator.close()
    assert [*cache.folder.iterdir()] == []


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("chunk", [1, 4])
def test_the_shares_of_all_processes_are_whole_chunks_of_all_items(monkeypatch, processes, chunk):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    shares = []
    for rank in range(processes):
        one = Alone()
        one.local_process_index = rank
        shares.append([i for part in share(one, 18, chunk) for i in part])
    assert sorted(i for part in shares for i in part) == [*range(18)]
    chunks = [{i // chunk for i in part} for part in shares]
    assert sum(map(len, chunks)) == len(set().union(*chunks))
