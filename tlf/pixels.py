"""Every picture is read once before anything is learnt: can it be decoded? What was decoded and
resized is stored, and nothing is decoded twice.

Each file is read and hashed in every run, whatever its time stamp says; decoding is what costs.
Threads do it, as many as there are cores: Pillow decodes outside Python's lock.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from itertools import accumulate
from math import prod
from typing import Any, TypeVar

from accelerate import Accelerator

from tlf.ahead import Ready, decoded_ahead
from tlf.caching.cache import Cache
from tlf.caching.partial import Partial
from tlf.components import Split
from tlf.cores import local_processes, usable_cores
from tlf.data import Decoded, Pixels
from tlf.data_check import Inspection, check_splits
from tlf.errors import DataError
from tlf.filling import Filling, kept, merged, share
from tlf.job import Job
from tlf.opening import open_picture
from tlf.pictures import load_pixels, loaded_shape
from tlf.preprocessing import Preprocessing
from tlf.results import Notice, Prepared, Stored
from tlf.stored_pixels import Shape, StoredPixels, pixels_title, wanted_pixels

_MOST = 64
"""Pictures that a thread takes at a time: a queue entry for each would outweigh a large set."""

Events = Prepared | Notice | Stored
Result = TypeVar("Result")
Looked = tuple[Inspection, "StoredPixels | None"]


def look(job: Job) -> Generator[Events, None, Job]:
    """Read every picture of both splits; give the job with those that can be used.

    Raises:
        DataError: names every picture that cannot be read, or a class that has none left.
    """
    seen: dict[str, Inspection] = {}
    stored: dict[str, StoredPixels | None] = {}
    told: list[Stored] = []
    with decoded_ahead(job.plan.ahead, job.how) as ready:
        for what, split in (("train", job.splits.train), ("eval", job.splits.eval)):
            if job.cache is None:
                seen[what] = yield from inspected(split, what, job.accelerator, _decoded)
            else:
                seen[what], stored[what] = yield from _told_later(
                    _stored(split, what, job, job.cache, ready), told
                )
    checked = check_splits(job.splits, job.recipe.data.bad_images, seen)
    yield from told
    pixels: dict[str, Pixels] = {}
    for what, split in (("train", checked.splits.train), ("eval", checked.splits.eval)):
        pixels[what] = _left(stored.get(what), seen[what].kept) or Decoded(split, job.how)
    return replace(
        job,
        splits=checked.splits,
        manifests=checked.manifests,
        pixels=pixels,
    )


def _told_later(
    events: Generator[Events, None, Looked], told: list[Stored]
) -> Generator[Prepared | Notice, None, Looked]:
    """Keep back what was stored until it is clear that the pictures are good."""
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            looked: Looked = end.value
            return looked
        if isinstance(event, Stored):
            told.append(event)
        else:
            yield event


def inspected(
    split: Split, what: str, accelerator: Accelerator, look_at: Callable[[bytes], object]
) -> Generator[Prepared, None, Inspection]:
    """Read and hash every picture of a split, and look at its bytes."""

    def one(index: int) -> tuple[bytes, str]:
        try:
            data = split.read(index)
            look_at(data)
        except DataError as error:
            return b"", str(error)
        except OSError as error:
            return b"", error.strerror or str(error)
        return sha256(data).digest(), ""

    results = yield from _mapped(accelerator, len(split), f"reading {what} pictures", one)
    digests = [results[i][0] for i in range(len(split))]
    return Inspection(digests, {i: why for i, (_, why) in sorted(results.items()) if why})


def _decoded(data: bytes) -> None:
    open_picture(data)


def _hashed(data: bytes) -> None:
    """Nothing but its hash is needed: whether it can be decoded will be seen, or is known."""


def _stored(
    split: Split, what: str, job: Job, cache: Cache, ready: Ready
) -> Generator[Events, None, tuple[Inspection, StoredPixels | None]]:
    """Read and hash every picture, and decode those that were never decoded before."""
    accelerator, how = job.accelerator, job.how
    seen = yield from inspected(split, what, accelerator, _hashed)
    wanted = wanted_pixels(seen.digests, what, how)
    shapes: dict[int, Shape] = {}

    def size() -> int:
        shapes.update(_shapes(accelerator, split, seen, how, ready))
        return sum(map(prod, shapes.values()))

    def fill(partial: Partial) -> Filling:
        return _fill(job, split, what, seen, shapes, ready, partial)

    def titled(note: Mapping[str, Any]) -> str:
        return pixels_title(len(seen.digests) - len(note["reasons"]), what)

    entry = yield from kept(accelerator, cache, wanted, size, fill, titled)
    if entry is None:
        return (yield from inspected(split, what, accelerator, _decoded)), None
    starts, shape_of = entry.index["starts"], entry.index["shapes"]
    broken = {int(i): why for i, why in entry.index["reasons"].items()}
    reasons = dict(sorted({**seen.reasons, **broken}.items()))
    digests = [b"" if i in reasons else d for i, d in enumerate(seen.digests)]
    return Inspection(digests, reasons), StoredPixels(entry, shape_of, starts)


def _shapes(
    accelerator: Accelerator, split: Split, seen: Inspection, how: Preprocessing, ready: Ready
) -> dict[int, Shape]:
    def one(index: int) -> Shape:
        known = ready.shape(seen.digests[index])
        if known:
            return known
        try:
            return loaded_shape(split.read(index), how) if seen.digests[index] else (0, 0, 0)
        except (DataError, OSError):
            return 0, 0, 0  # decoding will say why

    generator = _mapped(accelerator, len(split), "", one)
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return dict(sorted(end.value.items()))


def _fill(
    job: Job,
    split: Split,
    what: str,
    seen: Inspection,
    shapes: Mapping[int, Shape],
    ready: Ready,
    partial: Partial,
) -> Filling:
    how = job.how
    starts = [0, *accumulate(map(prod, shapes.values()))][:-1]

    def one(index: int) -> str:
        digest = seen.digests[index]
        if not digest:
            return seen.reasons[index]
        pixels = ready.pixels(digest)
        if pixels is None:
            data = split.read(index)
            if sha256(data).digest() != digest:
                raise DataError(f"{split.names[index]}: it changed while it was read; start again")
            try:
                pixels = load_pixels(data, how)
            except DataError as error:
                return str(error)
        if pixels.shape != shapes[index]:
            found, foreseen = _readable(pixels.shape), _readable(shapes[index])
            raise OSError(f"{split.names[index]} is {found} where {foreseen} was expected")
        partial.write(starts[index], pixels.data)
        return ""

    reasons = yield from _mapped(job.accelerator, len(split), f"decoding {what} pictures", one)
    return {
        "shapes": [list(shape) for shape in shapes.values()],
        "starts": starts,
        "reasons": {str(i): why for i, why in sorted(reasons.items()) if why},
    }


def _readable(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


def _mapped(
    accelerator: Accelerator, count: int, title: str, one: Callable[[int], Result]
) -> Generator[Prepared, None, dict[int, Result]]:
    """Index → result, computed by all processes and threads.

    Whoever meets an error does not leave before all processes have met: they would wait for it.

    Raises:
        DataError: ``one`` raised it, in whichever process.
        OSError: ``one`` raised it in this process; the others are not told.
    """
    threads = usable_cores() if local_processes() == 1 else 1
    chunk = max(1, min(_MOST, count // (16 * threads)))
    mine = share(accelerator, count, chunk)
    chunks = [mine[start : start + chunk] for start in range(0, len(mine), chunk)]
    part: dict[int, Result] = {}
    problem: DataError | OSError | None = None
    pool = ThreadPoolExecutor(threads)
    try:
        for result in pool.map(lambda indices: [(i, one(i)) for i in indices], chunks):
            part.update(result)
            yield Prepared(title, min(count, len(part) * local_processes()), count)
    except (DataError, OSError) as error:
        problem = error
    finally:
        pool.shutdown(cancel_futures=True)  # whoever stops does not wait for what is queued
    results = merged(accelerator, part)
    _raise_together(accelerator, problem)
    return results


def _raise_together(accelerator: Accelerator, problem: DataError | OSError | None) -> None:
    bad = {accelerator.process_index: str(problem)} if isinstance(problem, DataError) else {}
    if bad := merged(accelerator, bad):
        raise DataError(bad[min(bad)]) from problem
    if problem is not None:
        raise problem


def _left(stored: StoredPixels | None, indices: Sequence[int]) -> StoredPixels | None:
    """The pixels of the pictures that are left."""
    if stored is None or len(indices) == len(stored.starts):
        return stored
    shapes, starts = stored.shapes, stored.starts
    return StoredPixels(stored.entry, [shapes[i] for i in indices], [starts[i] for i in indices])
