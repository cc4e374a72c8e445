"""Decoded images in the cache, resized or at full resolution: their keys, and how they are read.

Nothing here imports torch before an image is read.
"""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from tlf.cache.entry import Entry, EntryKey
from tlf.cache.keys import pixel_key
from tlf.data.decoding.libraries import decoders
from tlf.preprocessing import Preprocessing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from tlf.data.decoding.arrays import Values

Shape = tuple[int, int, int]
"""(C, H, W) of a resized image; (H, W, C) of one at full resolution."""

FULL = "full"
"""The name of the train images at full resolution. Resized images have the name of their split:
``train`` or ``eval``."""

SPLIT_OF = {FULL: "train", "train": "train", "eval": "eval"}
"""Name of decoded images → their split."""

_FULL_SHARE = 0.25
"""The largest part of the cache's budget that images at full resolution take."""


@dataclass(frozen=True)
class StoredPixels:
    """Decoded images of a split, read from the cache."""

    entry: Entry
    shapes: "NDArray[np.int32]"
    """(N, 3)."""
    starts: "NDArray[np.int64]"
    """Where the bytes of each begin."""
    decoded: "Callable[[int], Tensor]"
    """Index → the same image, decoded anew."""
    full: bool = False
    """Whether they have their full resolution."""
    type: str = "uint8"
    """Of their values: ``uint8`` or ``uint16``."""

    def __call__(self, index: int) -> "Tensor":
        """An image (C, H, W)."""
        import torch

        shape = self.shapes[index].tolist()
        try:
            pixels = read_values(self.entry, int(self.starts[index]), shape, self.type)
        except OSError:  # it was cut while it was in use; ``tlf.training.features`` says so
            return self.decoded(index)
        image = torch.from_numpy(pixels)
        return image.permute(2, 0, 1) if self.full else image

    def read_whole(self, numbers: "Sequence[int]", values: "Values") -> None:
        """Read images as they are stored, one after the other.

        Parameters:
            numbers: their indices.
            values: where their values are put: (V,), of all of them.

        Raises:
            OSError: the entry was cut.
        """
        import numpy as np

        starts = self.starts[numbers]
        sizes = self.shapes[numbers].prod(axis=1, dtype=np.int64) * np.dtype(self.type).itemsize
        # Images that follow each other in the entry, too, are read at once.
        begins = [0, *(np.flatnonzero(starts[1:] != (starts + sizes)[:-1]) + 1).tolist()]
        lengths = np.add.reduceat(sizes, begins).tolist()
        buffer, done = values.view(np.uint8), 0
        for start, length in zip(starts[begins].tolist(), lengths, strict=True):
            self.entry.read_into(buffer[done : done + length], start)
            done += length


class Index(NamedTuple):
    """Where the pixels of each image are."""

    shapes: "NDArray[np.int32]"
    """(N, 3); zeros where an image cannot be decoded."""
    starts: "NDArray[np.int64]"
    reasons: Mapping[int, str]
    """Index of an image that cannot be decoded → why."""


def read_values(entry: Entry, start: int, shape: Sequence[int], type_: str) -> "Values":
    """An image out of an entry, in the shape in which it is stored.

    Raises:
        OSError: the entry was cut.
    """
    import numpy as np

    found = entry.read(start, prod(shape) * np.dtype(type_).itemsize)
    values: Values = found.view(type_).reshape(shape)
    return values


def index_of(entry: Entry, count: int, value: int = 1) -> Index | None:
    """Where an entry says that the pixels of ``count`` images are; None where it does not.

    Parameters:
        entry: the entry.
        count: the number of images.
        value: the bytes of a value.
    """
    import numpy as np

    try:
        shapes = _unpacked(entry.index["packed"], count)
        sizes = shapes.prod(axis=1, dtype=np.int64) * value
        starts = np.cumsum(sizes) - sizes
        reasons = entry.index["reasons"].items()
        # In floating point: of forged shapes, a product of whole numbers may overflow.
        whole = shapes.prod(axis=1, dtype=np.float64).sum() * value
        inside = (shapes >= 0).all() and whole <= entry.bytes
        explained = all(int(i) in range(count) and isinstance(why, str) for i, why in reasons)
    except (AttributeError, KeyError, zlib.error, TypeError, ValueError):
        return None
    if not (inside and explained):
        return None
    return Index(shapes, starts, {int(i): why for i, why in reasons})


def noted_index(shapes: "NDArray[np.int32]", reasons: Mapping[int, str]) -> dict[str, Any]:
    """What an entry notes about the pixels of images that follow each other, as JSON values. Shapes
    are packed: as lists they would take hundreds of bytes an image where they are read, and while
    the text is written or parsed, what is in it is in memory several times.
    """
    packed = b64encode(zlib.compress(shapes.astype("<i4").tobytes(), 1)).decode()
    return {"packed": packed, "reasons": {str(i): why for i, why in reasons.items()}}


def _unpacked(noted: str, count: int) -> "NDArray[np.int32]":
    """The shapes (N, 3). No more is unpacked than ``count`` images have.

    Raises:
        TypeError, ValueError, zlib.error: they are not those of so many images.
    """
    import numpy as np

    found = zlib.decompressobj().decompress(b64decode(noted, validate=True), 3 * 4 * count + 1)
    return np.frombuffer(found, "<i4").reshape(count, 3).astype(np.int32, copy=False)


def wanted_pixels(digests: Sequence[bytes], name: str, preprocessing: Preprocessing) -> EntryKey:
    """What the cache is asked for: the pixels of the images whose files have these hashes.

    Parameters:
        digests: SHA-256 of each file; empty for one that could not be read.
        name: ``train``, ``eval`` or ``full``.
        preprocessing: how images are resized.
    """
    title = pixels_title(sum(map(bool, digests)), name)
    key = pixel_key(digests, preprocessing, decoders(), full=name == FULL)
    if name == FULL:
        return EntryKey("full-pixels", title, key, share=_FULL_SHARE)
    return EntryKey("pixels", title, key)


def pixels_title(count: int, name: str) -> str:
    """What the pixels of so many images are called in messages."""
    if name == FULL:
        return f"{count:,} train images at full resolution"
    return f"{count:,} decoded {name} images"
