"""Find an entry, or compute and store it, in all processes together."""

from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from accelerate import Accelerator

from tlf.cache.entry import Entry, EntryKey
from tlf.cache.partial import Partial
from tlf.cache.store import Cache
from tlf.events import Notice, Prepared, Stored
from tlf.runtime.cores import local_processes
from tlf.runtime.processes import by_machine, gathered

Filling = Generator[Prepared | Notice, None, Any]
"""Writes the shard of this process into a partial entry, and returns the entry's index."""


def find_or_compute(
    accelerator: Accelerator,
    cache: Cache,
    key: EntryKey,
    size: int,
    fill: Callable[[Partial], Filling],
) -> Generator[Prepared | Notice | Stored, None, Entry | None]:
    """Find an entry, or compute and store it; None if it cannot be stored.

    Parameters:
        accelerator: the processes of this run.
        cache: the cache to store it in.
        key: the key of the entry.
        size: its size in bytes.
        fill: computes it. Returns the same index in every process.
    """
    entry = find(accelerator, cache, key, lambda found: found.bytes == size)
    if entry is not None:
        yield Stored(key.title, entry.bytes, reused=True)
        return entry
    entry, outcome = yield from compute(accelerator, cache, key, size, fill)
    yield outcome
    return entry


def compute(
    accelerator: Accelerator,
    cache: Cache,
    key: EntryKey,
    size: int,
    fill: Callable[[Partial], Filling],
    titled: Callable[[Any], str] | None = None,
) -> Generator[Prepared | Notice, None, tuple[Entry | None, Stored | Notice]]:
    """Compute and store an entry that ``find`` did not find.

    Parameters:
        accelerator: the processes of this run.
        cache: the cache to store it in.
        key: the key of the entry.
        size: its size in bytes.
        fill: computes it. Returns the same index in every process.
        titled: returns the title for an index; by default, the title of the key is used.

    Returns:
        The entry, or None if it cannot be stored, and the event to report.
    """
    try:
        partial = _begun(accelerator, cache, key, size)
        index = yield from _filled(accelerator, partial, fill)
        if titled:
            key = replace(key, title=titled(index))
        _finished(accelerator, cache, partial, key, index)
        entry = _opened(cache, key)
        if entry is None:
            raise OSError("another process has removed it")
    except OSError as error:
        reason = f"not stored, {_why(error)}; computed anew in every epoch"
        return None, Notice(f"{key.title}: {reason}")
    return entry, Stored(key.title, entry.bytes, reused=False)


def find(
    accelerator: Accelerator, cache: Cache, key: EntryKey, fits: Callable[[Entry], bool]
) -> Entry | None:
    """An entry, if every machine has it; one process of each machine checks it.

    ``fits``: whether an entry of this key can be what was stored.
    """
    entry = None
    if accelerator.is_local_main_process:
        # An error of the folder occurs again when an entry is begun, and is reported there.
        with suppress(OSError):
            entry = cache.find(key, fits)
    if not all(gathered(entry is not None or not accelerator.is_local_main_process)):
        return None
    return _opened(cache, key)


def _opened(cache: Cache, key: EntryKey) -> Entry | None:
    """Open an entry that one process of each machine has checked or written; None if any cannot."""
    entry = None
    with suppress(OSError):
        entry = cache.open(key)
    return entry if all(gathered(entry is not None)) else None


def share(accelerator: Accelerator, count: int, chunk: int = 1) -> list[range]:
    """The items of this process, of ``count``: every nth chunk, for n processes per machine.

    Every process has to call this. They agree on the smallest chunk: one that runs on fewer cores
    than the others may want a larger one, and items would be left out.
    """
    chunk = min(gathered(chunk))
    step, first = local_processes() * chunk, accelerator.local_process_index * chunk
    return [range(start, min(start + chunk, count)) for start in range(first, count, step)]


def _begun(accelerator: Accelerator, cache: Cache, key: EntryKey, size: int) -> Partial:
    """Begin an entry in one process of each machine; the others write into the same entry.

    Raises:
        OSError: one process cannot begin it. Raised in every process.
    """
    partial, problem = None, ""
    if accelerator.is_local_main_process:
        try:
            partial = cache.begin(key, size)
        except OSError as error:
            problem = _why(error)
    machines = by_machine((partial and partial.folder, problem))
    if problems := [why for machine in machines for _, why in machine.answers.values() if why]:
        if partial is not None:
            partial.discard()
        raise OSError(problems[0])
    own = next(machine for machine in machines if accelerator.process_index in machine.answers)
    return partial or Partial(next(folder for folder, _ in own.answers.values() if folder))


def _filled(accelerator: Accelerator, partial: Partial, fill: Callable[[Partial], Filling]) -> Any:  # noqa: ANN401 - JSON
    index, problem = None, ""
    try:
        partial.open()
        index = yield from fill(partial)
        partial.close()
    except OSError as error:
        problem = _why(error)
        # A removed file takes space on the disk until it is closed. One reason is enough.
        with suppress(OSError):
            partial.close()
    except BaseException:
        partial.discard()
        raise
    _agree(accelerator, partial, problem)
    return index


def _finished(
    accelerator: Accelerator, cache: Cache, partial: Partial, key: EntryKey, index: object
) -> None:
    problem = ""
    if accelerator.is_local_main_process:
        try:
            cache.finish(partial, key, index)
        except OSError as error:
            problem = _why(error)
    _agree(accelerator, partial, problem)


def _agree(accelerator: Accelerator, partial: Partial, problem: str) -> None:
    """Wait for all processes. If one had a problem, raise it in all of them."""
    problems = [p for p in gathered(problem) if p]
    if problems:
        if accelerator.is_local_main_process:
            partial.discard()
        raise OSError(problems[0])


def _why(error: OSError) -> str:
    return error.strerror or str(error)
