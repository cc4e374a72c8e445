"""Decoded images in the cache, resized or at full resolution: their keys, and how they are read.

Nothing here imports torch before an image is read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from tlf.cache.entry import Entry, EntryKey
from tlf.cache.keys import pixel_key
from tlf.data.decoding.libraries import decoders
from tlf.preprocessing import Preprocessing

if TYPE_CHECKING:
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
    shapes: Sequence[Shape]
    starts: Sequence[int]
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

        shape = self.shapes[index]
        try:
            pixels = read_values(self.entry, self.starts[index], shape, self.type)
        except OSError:  # it was cut while it was in use; ``tlf.training.features`` says so
            return self.decoded(index)
        image = torch.from_numpy(pixels)
        return image.permute(2, 0, 1) if self.full else image


def read_values(entry: Entry, start: int, shape: Sequence[int], type_: str) -> "Values":
    """An image out of an entry, in the shape in which it is stored.

    Raises:
        OSError: the entry was cut.
    """
    import numpy as np

    found = entry.read(start, prod(shape) * np.dtype(type_).itemsize)
    values: Values = found.view(type_).reshape(shape)
    return values


def has_index(entry: Entry, count: int, size: int = 1) -> bool:
    """Whether an entry says where the pixels of ``count`` images are, ``size`` bytes a value."""
    import numpy as np

    try:
        shapes, starts = np.array(entry.index["shapes"]), np.array(entry.index["starts"])
        reasons = entry.index["reasons"].items()
        ends = starts + shapes.reshape(count, 3).prod(axis=1) * size
        numbers = shapes.dtype.kind == starts.dtype.kind == "i" and starts.shape == (count,)
        inside = (shapes >= 0).all() and (starts >= 0).all() and (ends <= entry.bytes).all()
        explained = all(int(i) in range(count) and isinstance(why, str) for i, why in reasons)
    except (AttributeError, KeyError, TypeError, ValueError):
        return False
    return bool(numbers and inside and explained)


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
        return f"{count} train images at full resolution"
    return f"{count} decoded {name} images"
