"""Decoded and resized images in the cache: what they are known by, and how they are read.

Nothing here imports torch before an image is asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from tlf.cache.entry import Entry, EntryKey
from tlf.cache.keys import pixel_key
from tlf.data import decode, transforms
from tlf.preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import Tensor

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class StoredPixels:
    """Resized images as they were decoded once."""

    entry: Entry
    shapes: Sequence[Shape]
    """(C, H, W) of each."""
    starts: Sequence[int]
    """Where the bytes of each begin."""

    def __call__(self, index: int) -> "Tensor":
        """A uint8 image (C, H, W)."""
        import torch

        shape = self.shapes[index]
        return torch.from_numpy(self.entry.read(self.starts[index], prod(shape))).view(shape)


def wanted_pixels(digests: Sequence[bytes], what: str, preprocessing: Preprocessing) -> EntryKey:
    """The pixels of the images with these hashes, empty for one that could not be read."""
    code = [Path(str(module.__file__)) for module in (decode, transforms)]
    key = pixel_key(digests, preprocessing, code, decode.decoders())
    return EntryKey("pixels", pixels_title(sum(map(bool, digests)), what), key)


def pixels_title(count: int, what: str) -> str:
    """What so many pixels are called, for a person."""
    return f"{count} decoded {what} images"
