"""Store something once, all processes of a machine together, or say why it cannot be."""

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from accelerate import Accelerator
from accelerate.utils import gather_object

from tlf.cache.entry import Entry, Wanted
from tlf.cache.partial import Partial
from tlf.cache.store import Cache
from tlf.results import Notice, Prepared, Stored
from tlf.runtime.cores import local_processes

Filling = Generator[Prepared | Notice, None, Any]
"""Writes this process's share into a partial entry, and gives what to note about it."""


def find_or_compute(
    accelerator: Accelerator,
    cache: Cache,
    wanted: Wanted,
    size: int,
    fill: Callable[[Partial], Filling],
) -> Generator[Prepared | Notice | Stored, None, Entry | None]:
    """Find an entry, or compute and store it; None where it cannot be stored.

    Parameters:
        accelerator: which processes there are.
        cache: where to store.
        wanted: what.
        size: how many bytes it takes.
        fill: computes it. Gives the same note in every process.
    """
    entry = find(accelerator, cache, wanted)
    if entry is not None:
        yield Stored(wanted.title, entry.bytes, reused=True)
        return entry
    entry, outcome = yield from compute(accelerator, cache, wanted, size, fill)
    yield outcome
    return entry


def compute(
    accelerator: Accelerator,
    cache: Cache,
    wanted: Wanted,
    size: int,
    fill: Callable[[Partial], Filling],
    titled: Callable[[Any], str] | None = None,
) -> Generator[Prepared | Notice, None, tuple[Entry | None, Stored | Notice]]:
    """Compute and store what ``find`` did not find.

    Parameters:
        accelerator: which processes there are.
        cache: where to store.
        wanted: what.
        size: how many bytes it takes.
        fill: computes it. Gives the same note in every process.
        titled: says by the note what it turned out to be; what was wanted, if None.

    Returns:
        The entry, or None where it cannot be stored, and what to tell about that.
    """
    try:
        partial = _begun(accelerator, cache, wanted, size)
        note = yield from _filled(accelerator, partial, fill)
        if titled:
            wanted = replace(wanted, title=titled(note))
        _finished(accelerator, cache, partial, wanted, note)
        entry = _opened(accelerator, cache, wanted)
        if entry is None:
            raise OSError("it was removed meanwhile")
    except OSError as error:
        reason = f"not stored, {_why(error)}; computed anew in every epoch"
        return None, Notice(f"{wanted.title}: {reason}")
    return entry, Stored(wanted.title, entry.bytes, reused=False)


def find(accelerator: Accelerator, cache: Cache, wanted: Wanted) -> Entry | None:
    """An entry, if every machine has it; one process of each machine checks it."""
    entry = None
    if accelerator.is_local_main_process:
        # Whatever is wrong with the folder, beginning an entry meets it again, and tells.
        with suppress(OSError):
            entry = cache.find(wanted)
    if not all(_gathered(accelerator, entry is not None or not accelerator.is_local_main_process)):
        return None
    return _opened(accelerator, cache, wanted)


def _opened(accelerator: Accelerator, cache: Cache, wanted: Wanted) -> Entry | None:
    """What one process of each machine has just checked or written, in all processes or in none."""
    entry = None
    with suppress(OSError):
        entry = cache.open(wanted)
    return entry if all(_gathered(accelerator, entry is not None)) else None


def share(accelerator: Accelerator, count: int, chunk: int = 1) -> list[int]:
    """This process's part of ``count`` things: chunks, dealt to the processes of its machine."""
    step, first = local_processes(), accelerator.local_process_index
    return [i for i in range(count) if i // chunk % step == first]


def merged(accelerator: Accelerator, part: dict[int, Any]) -> dict[int, Any]:
    """What all processes found out about their shares."""
    return {key: value for one in _gathered(accelerator, part) for key, value in one.items()}


def _begun(accelerator: Accelerator, cache: Cache, wanted: Wanted, size: int) -> Partial:
    """Begin an entry in one process of each machine, and tell the others.

    Raises:
        OSError: it cannot be, in every process, wherever the reason lies.
    """
    from platform import node

    partial, problem = None, ""
    if accelerator.is_local_main_process:
        try:
            partial = cache.begin(wanted, size)
        except OSError as error:
            problem = _why(error)
    told = _gathered(accelerator, (node(), partial and partial.folder, problem))
    if problems := [one[2] for one in told if one[2]]:
        if partial is not None:
            partial.discard()
        raise OSError(problems[0])
    place = next(folder for machine, folder, _ in told if folder and machine == node())
    return partial or Partial(place)


def _filled(accelerator: Accelerator, partial: Partial, fill: Callable[[Partial], Filling]) -> Any:  # noqa: ANN401 - JSON
    note, problem = None, ""
    try:
        partial.open()
        note = yield from fill(partial)
        partial.close()
    except OSError as error:
        problem = _why(error)
        with suppress(OSError):  # one reason is enough
            partial.close()  # or this process would keep its place on the disk, when it is removed
    except BaseException:
        partial.discard()
        raise
    _agree(accelerator, partial, problem)
    return note


def _finished(
    accelerator: Accelerator, cache: Cache, partial: Partial, wanted: Wanted, note: object
) -> None:
    problem = ""
    if accelerator.is_local_main_process:
        try:
            cache.finish(partial, wanted, note)
        except OSError as error:
            problem = _why(error)
    _agree(accelerator, partial, problem)


def _agree(accelerator: Accelerator, partial: Partial, problem: str) -> None:
    """Wait for all processes; where one had a problem, all have it."""
    problems = [p for p in _gathered(accelerator, problem) if p]
    if problems:
        if accelerator.is_local_main_process:
            partial.discard()
        raise OSError(problems[0])


def _gathered(accelerator: Accelerator, value: Any) -> Sequence[Any]:  # noqa: ANN401 - anything
    return gather_object([value]) if accelerator.num_processes > 1 else [value]


def _why(error: OSError) -> str:
    return error.strerror or str(error)
