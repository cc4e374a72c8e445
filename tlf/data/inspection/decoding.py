"""Decode the images of a split into the cache, resized or at full resolution."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from math import prod
from typing import TYPE_CHECKING, Any

from accelerate import Accelerator

from tlf.cache.find_or_compute import Filling, compute, find
from tlf.cache.partial import Partial
from tlf.cache.store import Cache
from tlf.components import Split
from tlf.data.inspection.for_each_image import for_each_image
from tlf.data.inspection.readable import Inspection
from tlf.data.inspection.worth_storing import check_worth_storing
from tlf.data.loading import Decoded
from tlf.data.pixel_store import FULL, Shape, StoredPixels, has_index, pixels_title, wanted_pixels
from tlf.data.transforms import full_pixels, full_shape, load_pixels, loaded_shape
from tlf.errors import DataError
from tlf.events import Notice, Prepared, Stored
from tlf.preprocessing import Preprocessing

if TYPE_CHECKING:
    from tlf.data.decoding.arrays import Values


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


def find_or_store(
    decoding: Decoding, inspection: Inspection, cache: Cache
) -> Generator[Prepared | Notice, None, tuple[StoredPixels | None, Stored | Notice]]:
    """Decode and store a split unless the cache has it; None if it cannot be stored."""
    digests, accelerator = inspection.digests, decoding.accelerator
    wanted = wanted_pixels(digests, decoding.name, decoding.preprocessing)

    def titled(note: Mapping[str, Any]) -> str:
        return pixels_title(len(digests) - len(note["reasons"]), decoding.name)

    outcome: Stored | Notice
    value = decoding.preprocessing.depth // 8
    entry = find(accelerator, cache, wanted, lambda found: has_index(found, len(digests), value))
    if entry is None:
        shapes = yield from _shapes(decoding, digests)
        size = sum(map(prod, shapes)) * value

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
    type_ = f"uint{decoding.preprocessing.depth}"
    return StoredPixels(entry, shapes, starts, anew, full, type_), outcome


def _shapes(decoding: Decoding, digests: Sequence[bytes]) -> Generator[Prepared, None, list[Shape]]:
    """The shape that each image will have, read from the headers of the files."""
    preprocessing = decoding.preprocessing

    def shape(index: int) -> Shape:
        if not digests[index]:
            return 0, 0, 0
        try:
            data = decoding.split.read(index)
            if decoding.name == FULL:
                return full_shape(data, preprocessing)
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
    value = decoding.preprocessing.depth // 8
    starts = [0, *accumulate(prod(shape) * value for shape in shapes)][:-1]
    if decoding.name == FULL:

        def decode(index: int) -> "Values":
            return full_pixels(decoding.split.read(index), decoding.preprocessing)

        size = sum(map(prod, shapes)) * value
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


def _pixels(decoding: Decoding, index: int, digest: bytes) -> "Values | str":
    """The pixels of an image whose file has this hash, or why it cannot be decoded.

    Raises:
        DataError: the file has changed since it was hashed.
    """
    data = decoding.split.read(index)
    if sha256(data).digest() != digest:
        name = decoding.split.names[index]
        raise DataError(f"{name}: the file changed while it was read; run again")
    try:
        if decoding.name == FULL:
            return full_pixels(data, decoding.preprocessing)
        return load_pixels(data, decoding.preprocessing)
    except DataError as error:
        return str(error)
