"""Decode the images of a split into the cache, resized or at full resolution."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from struct import Struct
from typing import TYPE_CHECKING, Any

from accelerate import Accelerator

from tlf.cache.entry import EntryKey
from tlf.cache.find_or_compute import Filling, compute, find
from tlf.cache.partial import Partial
from tlf.cache.store import Cache
from tlf.components import Split
from tlf.data.inspection.answers import in_order
from tlf.data.inspection.for_each_image import for_each_image
from tlf.data.inspection.readable import Inspection
from tlf.data.inspection.verify import Mode
from tlf.data.inspection.worth_storing import check_worth_storing
from tlf.data.loading import Decoded
from tlf.data.pixel_store import (
    FULL,
    StoredPixels,
    index_of,
    noted_index,
    pixels_title,
    wanted_pixels,
)
from tlf.data.transforms import full_pixels, full_shape, load_pixels, loaded_shape
from tlf.errors import DataError
from tlf.events import Notice, Prepared, Stored
from tlf.preprocessing import Preprocessing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tlf.data.decoding.arrays import Values

_SHAPE = Struct("<3i")


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
    verify: Mode = "content"
    """``stat``: what is found out of files is kept, so that they are not read again."""


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
    entry = find(
        accelerator, cache, wanted, lambda it: index_of(it, len(digests), value) is not None
    )
    if entry is None:
        shapes = yield from _known_shapes(decoding, digests, wanted, cache)
        size = int(shapes.prod(axis=1, dtype="int64").sum()) * value

        def fill(partial: Partial) -> Filling:
            return _fill(decoding, inspection, shapes, partial)

        entry, outcome = yield from compute(accelerator, cache, wanted, size, fill, titled)
    else:
        outcome = Stored(titled(entry.index), entry.bytes, reused=True)
    index = None if entry is None else index_of(entry, len(digests), value)
    if entry is None or index is None:
        if decoding.verify == "stat":
            _keep_shapes(accelerator, cache, wanted, shapes)
        return None, outcome
    full = decoding.name == FULL
    anew = Decoded(decoding.split, decoding.preprocessing, full=full)
    type_ = f"uint{decoding.preprocessing.depth}"
    return StoredPixels(entry, index.shapes, index.starts, anew, full, type_), outcome


def _known_shapes(
    decoding: Decoding, digests: Sequence[bytes], wanted: EntryKey, cache: Cache
) -> "Generator[Prepared, None, NDArray[np.int32]]":
    """The shapes of images whose pixels could not be stored before, or cannot be stored now."""
    import numpy as np

    size = len(digests) * _SHAPE.size
    key = _shapes_of(wanted)
    entry = None
    if decoding.verify == "stat":
        entry = find(decoding.accelerator, cache, key, lambda found: found.bytes == size)
    if entry is None:
        return (yield from _shapes(decoding, digests))
    found: NDArray[np.int32] = entry.read(0, size).view("<i4").reshape(-1, 3)
    return found


def _keep_shapes(
    accelerator: Accelerator, cache: Cache, wanted: EntryKey, shapes: "NDArray[np.int32]"
) -> None:
    """Store the shapes alone: else each run would read all files for them, to find again that the
    pixels do not fit.
    """
    key = _shapes_of(wanted)
    if accelerator.is_local_main_process and not (cache.folder / key.name).exists():
        with suppress(OSError):  # there is no room for them either
            cache.store(key, shapes.astype("<i4").tobytes())


def _shapes_of(wanted: EntryKey) -> EntryKey:
    return EntryKey("shapes", f"the sizes of {wanted.title}", wanted.key)


def _shapes(
    decoding: Decoding, digests: Sequence[bytes]
) -> "Generator[Prepared, None, NDArray[np.int32]]":
    """The shape that each image will have, read from the headers of the files."""
    preprocessing = decoding.preprocessing

    def shape(index: int) -> tuple[bytes, str | None]:
        if not digests[index]:
            return b"", None
        try:
            data = decoding.split.read(index)
            if decoding.name == FULL:
                return _SHAPE.pack(*full_shape(data, preprocessing)), None
            return _SHAPE.pack(*loaded_shape(data, preprocessing)), None
        except (DataError, OSError):
            return b"", None  # decoding reports why

    count, title = len(decoding.split), f"measuring {decoding.split_name} images"
    machines = yield from for_each_image(decoding.accelerator, count, title, shape, _SHAPE.size)
    rows, _ = in_order(machines[0].answers.values(), count, _SHAPE.size)
    return rows.view("<i4")


def _fill(
    decoding: Decoding, inspection: Inspection, shapes: "NDArray[np.int32]", partial: Partial
) -> Filling:
    """Decode every image, and write its pixels."""
    sizes = shapes.prod(axis=1, dtype="int64") * (decoding.preprocessing.depth // 8)
    starts = sizes.cumsum() - sizes
    if decoding.name == FULL:

        def decode(index: int) -> "Values":
            return full_pixels(decoding.split.read(index), decoding.preprocessing)

        size = int(sizes.sum())
        check_worth_storing(decoding.accelerator, partial, starts, size, decode)

    def write(index: int) -> tuple[bytes, str]:
        """Write one image; why not, if it cannot be decoded."""
        if index in inspection.reasons:
            return b"", inspection.reasons[index]
        pixels = _pixels(decoding, index, inspection.digests[index])
        if isinstance(pixels, str):
            return b"", pixels
        shape = tuple(shapes[index].tolist())
        if pixels.shape != shape:
            got, expected = (" × ".join(map(str, each)) for each in (pixels.shape, shape))
            raise OSError(f"{decoding.split.names[index]} is {got}, its header says {expected}")
        partial.write(int(starts[index]), pixels.data)
        return b"", ""

    count, title = len(decoding.split), f"decoding {decoding.split_name} images"
    machines = yield from for_each_image(decoding.accelerator, count, title, write)
    _, reasons = in_order(machines[0].answers.values(), count, 0)
    return noted_index(shapes, reasons)


def _pixels(decoding: Decoding, index: int, digest: bytes) -> "Values | str":
    """The pixels of an image whose file has this hash, or why it cannot be decoded.

    Raises:
        DataError: the file has changed since it was hashed.
    """
    data = decoding.split.read(index)
    if sha256(data).digest() != digest:
        name = decoding.split.names[index]
        advice = ', with data.verify = "content"' if decoding.verify == "stat" else ""
        raise DataError(f"{name}: the file changed while it was read; run again{advice}")
    try:
        if decoding.name == FULL:
            return full_pixels(data, decoding.preprocessing)
        return load_pixels(data, decoding.preprocessing)
    except DataError as error:
        return str(error)
