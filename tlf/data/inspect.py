"""Every image is read once before anything is trained: can it be decoded? What was decoded and
resized is stored, and nothing is decoded twice.

Each file is read and hashed in every run, whatever its time stamp says; decoding is what costs.
Threads do it, as many as there are cores: Pillow decodes outside Python's lock.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from math import prod
from typing import TYPE_CHECKING, Any, TypeVar

from accelerate import Accelerator

from tlf.cache.find_or_compute import Filling, compute, find, merged, share
from tlf.cache.partial import Partial
from tlf.cache.store import Cache
from tlf.components import Split, Splits
from tlf.data.decode import open_image
from tlf.data.decode_ahead import Ahead, Ready, decoded_ahead
from tlf.data.loading import Decoded, Pixels
from tlf.data.pixel_store import Shape, StoredPixels, pixels_title, wanted_pixels
from tlf.data.readable import BadImages, Inspection, check_splits
from tlf.data.transforms import load_pixels, loaded_shape
from tlf.errors import DataError
from tlf.preprocessing import Preprocessing
from tlf.results import Notice, Prepared, Stored
from tlf.runtime.cores import local_processes, usable_cores
from tlf.tasks import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST = 64
"""Images that a thread takes at a time: a queue entry for each would outweigh a large set."""

Events = Prepared | Notice | Stored
Result = TypeVar("Result")


@dataclass(frozen=True)
class Inspected:
    """The images that can be used."""

    splits: Splits
    manifests: Mapping[str, str]
    """``train`` and ``eval`` → SHA-256 over the names, labels and bytes of their images."""
    pixels: Mapping[str, Pixels]
    """``train`` and ``eval`` → their decoded and resized images."""


def inspect_splits(
    splits: Splits,
    preprocessing: Preprocessing,
    bad_images: BadImages,
    task: Task,
    accelerator: Accelerator,
    cache: Cache | None,
    ahead: Ahead | None = None,
) -> Generator[Events, None, Inspected]:
    """Read every image of both splits; give those that can be used.

    Parameters:
        splits: the images.
        how: how they are prepared.
        bad_images: what becomes of one that cannot be read.
        task: what labels are.
        accelerator: the processes that share the work.
        cache: where decoded images are stored; None where nothing is.
        ahead: what has decoded some of them meanwhile.

    Raises:
        DataError: names every image that cannot be read, or a class that has none left.
    """
    seen: dict[str, Inspection] = {}
    stored: dict[str, StoredPixels | None] = {}
    outcomes: list[Stored] = []
    with decoded_ahead(ahead, preprocessing) as ready:
        for what, split in (("train", splits.train), ("eval", splits.eval)):
            if cache is None:
                seen[what] = yield from inspected(split, what, accelerator, _decoded)
                continue
            decoding = Decoding(split, what, preprocessing, accelerator, ready)
            seen[what], stored[what], outcome = yield from _stored(decoding, cache)
            if isinstance(outcome, Notice):
                yield outcome
            else:
                outcomes.append(outcome)
    checked = check_splits(splits, bad_images, task, seen)
    yield from outcomes  # not before it is clear that the images are good
    pixels: dict[str, Pixels] = {}
    for what, split in (("train", checked.splits.train), ("eval", checked.splits.eval)):
        pixels[what] = _left(stored.get(what), seen[what].kept) or Decoded(split, preprocessing)
    return Inspected(checked.splits, checked.manifests, pixels)


def inspected(
    split: Split, what: str, accelerator: Accelerator, look_at: Callable[[bytes], object]
) -> Generator[Prepared, None, Inspection]:
    """Read and hash every image of a split, and look at its bytes."""

    def one(index: int) -> tuple[bytes, str]:
        try:
            data = split.read(index)
            look_at(data)
        except DataError as error:
            return b"", str(error)
        except OSError as error:
            return b"", error.strerror or str(error)
        return sha256(data).digest(), ""

    results = yield from _mapped(accelerator, len(split), f"reading {what} images", one)
    digests = [results[i][0] for i in range(len(split))]
    return Inspection(digests, {i: why for i, (_, why) in sorted(results.items()) if why})


def _decoded(data: bytes) -> None:
    open_image(data)


def _hashed(data: bytes) -> None:
    """Nothing but its hash is needed: whether it can be decoded will be seen, or is known."""


@dataclass(frozen=True)
class Decoding:
    """The images of one split on their way into the cache."""

    split: Split
    what: str
    """``train`` or ``eval``."""
    preprocessing: Preprocessing
    accelerator: Accelerator
    ready: Ready
    """Those that were decoded ahead."""


def _stored(
    decoding: Decoding, cache: Cache
) -> Generator[Prepared | Notice, None, tuple[Inspection, StoredPixels | None, Stored | Notice]]:
    """Read and hash every image, and decode those that were never decoded before."""
    split, what, accelerator = decoding.split, decoding.what, decoding.accelerator
    seen = yield from inspected(split, what, accelerator, _hashed)
    wanted = wanted_pixels(seen.digests, what, decoding.preprocessing)

    def titled(note: Mapping[str, Any]) -> str:
        return pixels_title(len(seen.digests) - len(note["reasons"]), what)

    outcome: Stored | Notice
    entry = find(accelerator, cache, wanted)
    if entry is None:
        shapes = yield from _shapes(decoding, seen)
        size = sum(map(prod, shapes.values()))

        def fill(partial: Partial) -> Filling:
            return _fill(decoding, seen, shapes, partial)

        entry, outcome = yield from compute(accelerator, cache, wanted, size, fill, titled)
    else:
        outcome = Stored(titled(entry.index), entry.bytes, reused=True)
    if entry is None:
        return (yield from inspected(split, what, accelerator, _decoded)), None, outcome
    starts, shape_of = entry.index["starts"], entry.index["shapes"]
    broken = {int(i): why for i, why in entry.index["reasons"].items()}
    reasons = dict(sorted({**seen.reasons, **broken}.items()))
    digests = [b"" if i in reasons else d for i, d in enumerate(seen.digests)]
    return Inspection(digests, reasons), StoredPixels(entry, shape_of, starts), outcome


def _shapes(decoding: Decoding, seen: Inspection) -> Generator[Prepared, None, dict[int, Shape]]:
    """(C, H, W) that each image will have, mostly from the heads of the files."""
    split, preprocessing, ready = decoding.split, decoding.preprocessing, decoding.ready

    def one(index: int) -> Shape:
        known = ready.shape(seen.digests[index])
        if known:
            return known
        try:
            return (
                loaded_shape(split.read(index), preprocessing) if seen.digests[index] else (0, 0, 0)
            )
        except (DataError, OSError):
            return 0, 0, 0  # decoding will say why

    title = f"measuring {decoding.what} images"
    shapes = yield from _mapped(decoding.accelerator, len(split), title, one)
    return dict(sorted(shapes.items()))


def _fill(
    decoding: Decoding, seen: Inspection, shapes: Mapping[int, Shape], partial: Partial
) -> Filling:
    """Decode every image, and write its pixels."""
    starts = [0, *accumulate(map(prod, shapes.values()))][:-1]

    def one(index: int) -> str:
        digest = seen.digests[index]
        if not digest:
            return seen.reasons[index]
        try:
            pixels = _pixels(decoding, index, digest)
        except _Undecodable as error:
            return str(error)
        if pixels.shape != shapes[index]:
            found, foreseen = _readable(pixels.shape), _readable(shapes[index])
            name = decoding.split.names[index]
            raise OSError(f"{name} is {found} where {foreseen} was expected")
        partial.write(starts[index], pixels.data)
        return ""

    count, title = len(decoding.split), f"decoding {decoding.what} images"
    reasons = yield from _mapped(decoding.accelerator, count, title, one)
    return {
        "shapes": [list(shape) for shape in shapes.values()],
        "starts": starts,
        "reasons": {str(i): why for i, why in sorted(reasons.items()) if why},
    }


class _Undecodable(Exception):  # noqa: N818 - the image is at fault, not the program
    """An image cannot be decoded; says why."""


def _pixels(decoding: Decoding, index: int, digest: bytes) -> "NDArray[np.uint8]":
    """The pixels of an image whose file has this hash.

    Raises:
        _Undecodable: it is no image.
        DataError: the file is another than it was when it was hashed.
    """
    pixels = decoding.ready.pixels(digest)
    if pixels is not None:
        return pixels
    data = decoding.split.read(index)
    if sha256(data).digest() != digest:
        name = decoding.split.names[index]
        raise DataError(f"{name}: it changed while it was read; start again")
    try:
        return load_pixels(data, decoding.preprocessing)
    except DataError as error:
        raise _Undecodable(str(error)) from error


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
    """The pixels of the images that are left."""
    if stored is None or len(indices) == len(stored.starts):
        return stored
    shapes, starts = stored.shapes, stored.starts
    return StoredPixels(stored.entry, [shapes[i] for i in indices], [starts[i] for i in indices])
