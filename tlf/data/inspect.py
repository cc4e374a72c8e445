"""Every image is read once before training: can it be decoded? Decoded images are stored in the
cache, resized or at full resolution, so that none is decoded twice.

Each run reads and hashes every file, whatever its time stamp says: decoding is the slow part, and
it is done in one thread per core, since Pillow releases Python's lock.
"""

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import accumulate
from math import prod
from typing import TYPE_CHECKING, Any

from accelerate import Accelerator

from tlf.cache.find_or_compute import Filling, compute, find
from tlf.cache.partial import Partial
from tlf.cache.store import Cache
from tlf.components import Split, Splits
from tlf.data.decode import open_image
from tlf.data.for_each_image import for_each_image
from tlf.data.loading import Decoded, Pixels, decoded_pixels
from tlf.data.pixel_store import (
    FULL,
    SPLIT_OF,
    Shape,
    StoredPixels,
    has_index,
    pixels_title,
    wanted_pixels,
)
from tlf.data.readable import BadImages, Inspection, check_splits
from tlf.data.same_images import check_bytes, check_listings
from tlf.data.transforms import full_pixels, full_shape, load_pixels, loaded_shape
from tlf.data.worth_storing import check_worth_storing
from tlf.errors import DataError
from tlf.preprocessing import Preprocessing
from tlf.results import Notice, Prepared, Stored
from tlf.tasks import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Events = Prepared | Notice | Stored


@dataclass(frozen=True)
class Inspected:
    """The images that can be used."""

    splits: Splits
    manifests: Mapping[str, str]
    """``train`` and ``eval`` → SHA-256 over the names, labels and bytes of their images."""
    pixels: Mapping[str, Pixels]
    """``train`` and ``eval`` → their decoded and resized images; ``full`` → the train images at
    full resolution."""


def inspect_splits(
    splits: Splits,
    preprocessing: Preprocessing,
    bad_images: BadImages,
    task: Task,
    accelerator: Accelerator,
    cache: Cache | None,
    decoded: Mapping[str, Mapping[bytes, "NDArray[np.uint8]"]],
    used: Collection[str] = ("train", "eval"),
) -> Generator[Events, None, Inspected]:
    """Read every image of both splits; give those that can be used.

    Parameters:
        splits: the images.
        preprocessing: how they are resized.
        bad_images: what an image that cannot be read does.
        task: what labels are.
        accelerator: the processes that share the work.
        cache: where decoded images are stored; None where nothing is.
        decoded: ``train``, ``eval`` or ``full`` → hash of a file → its pixels, for images that were
            decoded before.
        used: which of ``train``, ``eval`` and ``full`` are used, and stored.

    Raises:
        DataError: names every image that cannot be read, or a class that has none left; or the
            processes have different images.
    """
    check_listings(splits)
    inspections: dict[str, Inspection] = {}
    stored: dict[str, StoredPixels] = {}
    outcomes: list[Stored] = []
    for split_name, split in (("train", splits.train), ("eval", splits.eval)):
        if cache is None:
            inspections[split_name] = yield from inspect_split(
                split, split_name, accelerator, _check
            )
            continue
        decodings = [
            Decoding(split, split_name, name, preprocessing, accelerator, decoded.get(name, {}))
            for name, of in SPLIT_OF.items()
            if of == split_name and name in used
        ]
        inspections[split_name], found, reused = yield from _find_or_store_all(decodings, cache)
        stored |= found
        outcomes += reused
    checked = check_splits(splits, bad_images, task, inspections)
    yield from outcomes  # only now: a run that bad images stop reports nothing but them
    pixels = decoded_pixels(checked.splits, preprocessing)
    for name, entry in stored.items():
        indices = inspections[SPLIT_OF[name]].readable
        pixels[name] = _readable_pixels(entry, indices, pixels[name])
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
    machines = yield from for_each_image(accelerator, len(split), title, inspect_image)
    check_bytes(split_name, split.names, machines)
    results = machines[0].merged()
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
    name: str
    """``train``, ``eval`` or ``full``."""
    preprocessing: Preprocessing
    accelerator: Accelerator
    decoded: Mapping[bytes, "NDArray[np.uint8]"]
    """Hash of a file → its pixels, for images that were decoded before."""


def _find_or_store_all(
    decodings: Sequence[Decoding], cache: Cache
) -> Generator[Prepared | Notice, None, tuple[Inspection, dict[str, StoredPixels], list[Stored]]]:
    """Read and hash every image of a split; decode and store the split unless the cache has it."""
    split, split_name = decodings[0].split, decodings[0].split_name
    accelerator = decodings[0].accelerator
    hashed = yield from inspect_split(split, split_name, accelerator, _check_nothing)
    stored: dict[str, StoredPixels] = {}
    outcomes: list[Stored] = []
    reasons = dict(hashed.reasons)
    for decoding in decodings:
        entry, outcome = yield from _find_or_store(decoding, hashed, cache)
        if isinstance(outcome, Notice):
            yield outcome
        else:
            outcomes.append(outcome)
        if entry is not None:
            stored[decoding.name] = entry
            reasons |= {int(i): why for i, why in entry.entry.index["reasons"].items()}
    if not stored:
        return (yield from inspect_split(split, split_name, accelerator, _check)), {}, []
    digests = [b"" if i in reasons else digest for i, digest in enumerate(hashed.digests)]
    return Inspection(digests, dict(sorted(reasons.items()))), stored, outcomes


def _find_or_store(
    decoding: Decoding, inspection: Inspection, cache: Cache
) -> Generator[Prepared | Notice, None, tuple[StoredPixels | None, Stored | Notice]]:
    """Decode and store a split unless the cache has it; None if it cannot be stored."""
    digests, accelerator = inspection.digests, decoding.accelerator
    wanted = wanted_pixels(digests, decoding.name, decoding.preprocessing)

    def titled(note: Mapping[str, Any]) -> str:
        return pixels_title(len(digests) - len(note["reasons"]), decoding.name)

    outcome: Stored | Notice
    entry = find(accelerator, cache, wanted, lambda found: has_index(found, len(digests)))
    if entry is None:
        shapes = yield from _shapes(decoding, digests)
        size = sum(map(prod, shapes))

        def fill(partial: Partial) -> Filling:
            return _fill(decoding, inspection, shapes, partial)

        entry, outcome = yield from compute(accelerator, cache, wanted, size, fill, titled)
    else:
        outcome = Stored(titled(entry.index), entry.bytes, reused=True)
    if entry is None:
        return None, outcome
    full = decoding.name == FULL
    anew = Decoded(decoding.split, decoding.preprocessing, full=full)
    shapes, starts = entry.index["shapes"], entry.index["starts"]
    return StoredPixels(entry, shapes, starts, anew, full), outcome


def _shapes(decoding: Decoding, digests: Sequence[bytes]) -> Generator[Prepared, None, list[Shape]]:
    """The shape that each image will have, read from the headers of the files."""
    preprocessing = decoding.preprocessing

    def shape(index: int) -> Shape:
        digest = digests[index]
        if not digest:
            return 0, 0, 0
        if digest in decoding.decoded:
            first, second, third = decoding.decoded[digest].shape
            return first, second, third
        try:
            data = decoding.split.read(index)
            if decoding.name == FULL:
                return full_shape(data, preprocessing.channels)
            return loaded_shape(data, preprocessing)
        except (DataError, OSError):
            return 0, 0, 0  # decoding reports why

    count, title = len(decoding.split), f"measuring {decoding.split_name} images"
    machines = yield from for_each_image(decoding.accelerator, count, title, shape)
    shapes = machines[0].merged()
    return [shapes[index] for index in range(count)]


def _fill(
    decoding: Decoding, inspection: Inspection, shapes: Sequence[Shape], partial: Partial
) -> Filling:
    """Decode every image, and write its pixels."""
    starts = [0, *accumulate(map(prod, shapes))][:-1]
    if decoding.name == FULL:

        def decode(index: int) -> "NDArray[np.uint8]":
            return _full(decoding, decoding.split.read(index))

        size = sum(map(prod, shapes))
        check_worth_storing(decoding.accelerator, partial, starts, size, decode)

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
    machines = yield from for_each_image(decoding.accelerator, count, title, write)
    reasons = machines[0].merged()
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
        if decoding.name == FULL:
            return _full(decoding, data)
        return load_pixels(data, decoding.preprocessing)
    except DataError as error:
        return str(error)


def _full(decoding: Decoding, data: bytes) -> "NDArray[np.uint8]":
    return full_pixels(data, decoding.preprocessing.channels, decoding.preprocessing.white)


def _readable_pixels(stored: StoredPixels, indices: Sequence[int], anew: Pixels) -> StoredPixels:
    """The pixels of the images that can be read. ``anew``: decodes those images anew."""
    shapes, starts = [stored.shapes[i] for i in indices], [stored.starts[i] for i in indices]
    return replace(stored, shapes=shapes, starts=starts, decoded=anew)
