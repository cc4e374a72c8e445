"""Every image is read once before training: can it be decoded? Decoded and resized images are
stored in the cache, so that none is decoded twice.

Each run reads and hashes every file, whatever its time stamp says: decoding is the slow part, and
it is done in one thread per core, since Pillow releases Python's lock.
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
from tlf.data.loading import Decoded, Pixels
from tlf.data.pixel_store import Shape, StoredPixels, has_index, pixels_title, wanted_pixels
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

_CHUNK = 64
"""Images that a thread takes at a time, at most: one queue entry per image would take much memory
where a set is large."""

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
    decoded: Mapping[bytes, "NDArray[np.uint8]"],
) -> Generator[Events, None, Inspected]:
    """Read every image of both splits; give those that can be used.

    Parameters:
        splits: the images.
        preprocessing: how they are resized.
        bad_images: what an image that cannot be read does.
        task: what labels are.
        accelerator: the processes that share the work.
        cache: where decoded images are stored; None where nothing is.
        decoded: hash of a file → its pixels, for images that were decoded before.

    Raises:
        DataError: names every image that cannot be read, or a class that has none left.
    """
    inspections: dict[str, Inspection] = {}
    stored: dict[str, StoredPixels | None] = {}
    outcomes: list[Stored] = []
    for name, split in (("train", splits.train), ("eval", splits.eval)):
        if cache is None:
            inspections[name] = yield from inspect_split(split, name, accelerator, _check)
            continue
        decoding = Decoding(split, name, preprocessing, accelerator, decoded)
        inspections[name], stored[name], outcome = yield from _find_or_store(decoding, cache)
        if isinstance(outcome, Notice):
            yield outcome
        else:
            outcomes.append(outcome)
    checked = check_splits(splits, bad_images, task, inspections)
    yield from outcomes  # only now: a run that bad images stop reports nothing but them
    pixels: dict[str, Pixels] = {}
    for name, split in (("train", checked.splits.train), ("eval", checked.splits.eval)):
        anew = Decoded(split, preprocessing)
        pixels[name] = _readable_pixels(stored.get(name), inspections[name].readable, anew)
    return Inspected(checked.splits, checked.manifests, pixels)


def inspect_split(
    split: Split, split_name: str, accelerator: Accelerator, check: Callable[[bytes], object]
) -> Generator[Prepared, None, Inspection]:
    """Read and hash every image of a split, and check its bytes."""

    def inspect_image(index: int) -> tuple[bytes, str]:
        try:
            data = split.read(index)
            check(data)
        except DataError as error:
            return b"", str(error)
        except OSError as error:
            return b"", error.strerror or str(error)
        return sha256(data).digest(), ""

    title = f"reading {split_name} images"
    results = yield from _for_each_image(accelerator, len(split), title, inspect_image)
    digests = [results[i][0] for i in range(len(split))]
    return Inspection(digests, {i: why for i, (_, why) in sorted(results.items()) if why})


def _check(data: bytes) -> None:
    open_image(data)


def _check_nothing(data: bytes) -> None:
    """Only the hash is needed: the cache knows which images decode, or they are decoded next."""


@dataclass(frozen=True)
class Decoding:
    """The images of one split on their way into the cache."""

    split: Split
    split_name: str
    """``train`` or ``eval``."""
    preprocessing: Preprocessing
    accelerator: Accelerator
    decoded: Mapping[bytes, "NDArray[np.uint8]"]
    """Hash of a file → its pixels, for images that were decoded before."""


def _find_or_store(
    decoding: Decoding, cache: Cache
) -> Generator[Prepared | Notice, None, tuple[Inspection, StoredPixels | None, Stored | Notice]]:
    """Read and hash every image; decode and store the split unless the cache has it."""
    split, split_name, accelerator = decoding.split, decoding.split_name, decoding.accelerator
    inspection = yield from inspect_split(split, split_name, accelerator, _check_nothing)
    digests = inspection.digests
    wanted = wanted_pixels(digests, split_name, decoding.preprocessing)

    def titled(note: Mapping[str, Any]) -> str:
        return pixels_title(len(digests) - len(note["reasons"]), split_name)

    outcome: Stored | Notice
    entry = find(accelerator, cache, wanted, lambda found: has_index(found, len(split)))
    if entry is None:
        shapes = yield from _shapes(decoding, digests)
        size = sum(map(prod, shapes))

        def fill(partial: Partial) -> Filling:
            return _fill(decoding, inspection, shapes, partial)

        entry, outcome = yield from compute(accelerator, cache, wanted, size, fill, titled)
    else:
        outcome = Stored(titled(entry.index), entry.bytes, reused=True)
    if entry is None:
        return (yield from inspect_split(split, split_name, accelerator, _check)), None, outcome
    undecodable = {int(i): why for i, why in entry.index["reasons"].items()}
    reasons = dict(sorted({**inspection.reasons, **undecodable}.items()))
    digests = [b"" if i in reasons else digest for i, digest in enumerate(digests)]
    anew = Decoded(split, decoding.preprocessing)
    pixels = StoredPixels(entry, entry.index["shapes"], entry.index["starts"], anew)
    return Inspection(digests, reasons), pixels, outcome


def _shapes(decoding: Decoding, digests: Sequence[bytes]) -> Generator[Prepared, None, list[Shape]]:
    """(C, H, W) that each image will have, read from the headers of the files."""

    def shape(index: int) -> Shape:
        digest = digests[index]
        if not digest:
            return 0, 0, 0
        if digest in decoding.decoded:
            channels, height, width = decoding.decoded[digest].shape
            return channels, height, width
        try:
            return loaded_shape(decoding.split.read(index), decoding.preprocessing)
        except (DataError, OSError):
            return 0, 0, 0  # decoding reports why

    count, title = len(decoding.split), f"measuring {decoding.split_name} images"
    shapes = yield from _for_each_image(decoding.accelerator, count, title, shape)
    return [shapes[index] for index in range(count)]


def _fill(
    decoding: Decoding, inspection: Inspection, shapes: Sequence[Shape], partial: Partial
) -> Filling:
    """Decode every image, and write its pixels."""
    starts = [0, *accumulate(map(prod, shapes))][:-1]

    def write(index: int) -> str:
        """Write one image; why not, if it cannot be decoded."""
        if index in inspection.reasons:
            return inspection.reasons[index]
        pixels = _pixels(decoding, index, inspection.digests[index])
        if isinstance(pixels, str):
            return pixels
        if pixels.shape != shapes[index]:
            got, expected = (" × ".join(map(str, s)) for s in (pixels.shape, shapes[index]))
            raise OSError(f"{decoding.split.names[index]} is {got}, its header says {expected}")
        partial.write(starts[index], pixels.data)
        return ""

    count, title = len(decoding.split), f"decoding {decoding.split_name} images"
    reasons = yield from _for_each_image(decoding.accelerator, count, title, write)
    return {
        "shapes": [list(shape) for shape in shapes],
        "starts": starts,
        "reasons": {str(i): why for i, why in sorted(reasons.items()) if why},
    }


def _pixels(decoding: Decoding, index: int, digest: bytes) -> "NDArray[np.uint8] | str":
    """The pixels of an image whose file has this hash, or why it cannot be decoded.

    Raises:
        DataError: the file has changed since it was hashed.
    """
    if digest in decoding.decoded:
        return decoding.decoded[digest]
    data = decoding.split.read(index)
    if sha256(data).digest() != digest:
        name = decoding.split.names[index]
        raise DataError(f"{name}: the file changed while it was read; run again")
    try:
        return load_pixels(data, decoding.preprocessing)
    except DataError as error:
        return str(error)


def _for_each_image(
    accelerator: Accelerator, count: int, title: str, function: Callable[[int], Result]
) -> Generator[Prepared, None, dict[int, Result]]:
    """Index → result of the function, computed by all processes and threads.

    A process that meets an error still takes part in the exchange: the others would wait for it.

    Raises:
        DataError: the function raised it, in whichever process.
        OSError: the function raised it in this process; the others do not hear of it.
    """
    threads = usable_cores() if local_processes() == 1 else 1
    chunk = max(1, min(_CHUNK, count // (16 * threads)))
    mine = share(accelerator, count, chunk)
    chunks = [mine[start : start + chunk] for start in range(0, len(mine), chunk)]
    results: dict[int, Result] = {}
    problem: DataError | OSError | None = None
    pool = ThreadPoolExecutor(threads)
    try:
        for part in pool.map(lambda indices: [(i, function(i)) for i in indices], chunks):
            results.update(part)
            yield Prepared(title, min(count, len(results) * local_processes()), count)
    except (DataError, OSError) as error:
        problem = error
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupt does not wait for queued images
    everything = merged(accelerator, results)
    _raise_together(accelerator, problem)
    return everything


def _raise_together(accelerator: Accelerator, problem: DataError | OSError | None) -> None:
    mine = {accelerator.process_index: str(problem)} if isinstance(problem, DataError) else {}
    if messages := merged(accelerator, mine):
        raise DataError(messages[min(messages)]) from problem
    if problem is not None:
        raise problem


def _readable_pixels(stored: StoredPixels | None, indices: Sequence[int], anew: Pixels) -> Pixels:
    """The pixels of the images that can be read. ``anew``: decodes those images anew."""
    if stored is None:
        return anew
    shapes, starts = [stored.shapes[i] for i in indices], [stored.starts[i] for i in indices]
    return StoredPixels(stored.entry, shapes, starts, anew)
