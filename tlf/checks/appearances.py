"""What the files of images say beside their embeddings: equal bytes, size, and a small grey image.

The inspection of a run keeps no hash of a single file, so every file is read once more. Only its
header is parsed. Its pixels come from the cache where they are stored; otherwise they are decoded.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from tlf.components import Splits
from tlf.data.decoding.values import decoded_size
from tlf.data.inspection.on_all_cores import chunk_of, on_all_cores
from tlf.events import Prepared
from tlf.runtime.cores import usable_cores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = Callable[[int], NDArray[np.uint8]]
    Look = tuple[bytes, tuple[int, int], NDArray[np.uint8]]

SIDE = 32
"""Side of a small image: copies are told from other photographs by its pixels, and 50,000 of them
take 50 MiB."""


@dataclass(frozen=True)
class Appearances:
    """What N images look like, in the order of the train split and then of the eval split."""

    digests: tuple[bytes, ...]
    """SHA-256 of the bytes of each."""
    sizes: "NDArray[np.int64]"
    """(N, 2): width and height of each, upright."""
    small: "NDArray[np.uint8]"
    """(N, ``SIDE``, ``SIDE``): each in grey, squeezed into a square."""


def look_at(
    splits: Splits, pixels: "Mapping[str, Pixels]"
) -> Generator[Prepared, None, Appearances]:
    """Look at every image of both splits.

    Parameters:
        splits: the images.
        pixels: ``train`` and ``eval`` → the decoded image (C, H, W) of an index.

    Raises:
        DataError, OSError: an image can no longer be read.
    """
    import numpy as np

    found: list[Look] = []
    cores = usable_cores()
    for name, split in (("train", splits.train), ("eval", splits.eval)):
        look, count = partial(_look, split.read, pixels[name]), len(split)
        size, done = chunk_of(count, cores), 0
        chunks = [range(start, min(start + size, count)) for start in range(0, count, size)]
        for part in on_all_cores(look, chunks, cores):
            found += [seen for _, seen in part]
            done += len(part)
            yield Prepared(f"looking at {name} images", done, count)
    digests, sizes, small = zip(*found, strict=True)
    return Appearances(digests, np.array(sizes, np.int64), np.stack(small))


def _look(read: Callable[[int], bytes], pixels: "Pixels", index: int) -> "Look":
    data = read(index)
    return sha256(data).digest(), decoded_size(data, reduced=True), small_image(pixels(index))


def small_image(pixels: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """An image (C, H, W) → (``SIDE``, ``SIDE``) in grey. Each pixel is the mean of an area."""
    import numpy as np
    from PIL import Image

    opened = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    return np.asarray(opened.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX))
