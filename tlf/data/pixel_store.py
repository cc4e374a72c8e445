"""Decoded and resized images in the cache: their keys, and how they are read.

Nothing here imports torch before an image is read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from tlf.cache.entry import Entry, EntryKey
from tlf.cache.keys import pixel_key
from tlf.data.decode import decoders
from tlf.preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import Tensor

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class StoredPixels:
    """Decoded and resized images of a split, read from the cache."""

    entry: Entry
    shapes: Sequence[Shape]
    """(C, H, W) of each."""
    starts: Sequence[int]
    """Where the bytes of each begin."""
    decoded: "Callable[[int], Tensor]"
    """Index → the same image, decoded anew."""

    def __call__(self, index: int) -> "Tensor":
        """A uint8 image (C, H, W)."""
        import torch

        shape = self.shapes[index]
        try:
            pixels = self.entry.read(self.starts[index], prod(shape))
        except OSError:  # it was cut while it was in use; ``tlf.training.features`` says so
            return self.decoded(index)
        return torch.from_numpy(pixels).view(shape)


def has_index(entry: Entry, count: int) -> bool:
    """Whether an entry says where the pixels of ``count`` images are."""
    import numpy as np

    try:
        shapes, starts = np.array(entry.index["shapes"]), np.array(entry.index["starts"])
        reasons = entry.index["reasons"].items()
        ends = starts + shapes.reshape(count, 3).prod(axis=1)
        numbers = shapes.dtype.kind == starts.dtype.kind == "i" and starts.shape == (count,)
        inside = (shapes >= 0).all() and (starts >= 0).all() and (ends <= entry.bytes).all()
        explained = all(int(i) in range(count) and isinstance(why, str) for i, why in reasons)
    except (AttributeError, KeyError, TypeError, ValueError):
        return False
    return bool(numbers and inside and explained)


def wanted_pixels(
    digests: Sequence[bytes], split_name: str, preprocessing: Preprocessing
) -> EntryKey:
    """What the cache is asked for: the pixels of the images whose files have these hashes.

    Parameters:
        digests: SHA-256 of each file; empty for one that could not be read.
        split_name: ``train`` or ``eval``.
        preprocessing: how images are resized.
    """
    key = pixel_key(digests, preprocessing, decoders())
    return EntryKey("pixels", pixels_title(sum(map(bool, digests)), split_name), key)


def pixels_title(count: int, split_name: str) -> str:
    """What the pixels of so many images are called in messages."""
    return f"{count} decoded {split_name} images"
