"""What the files of images say beside their embeddings: equal bytes, size, and a small grey image.

The inspection of a run keeps no hash of a single file, so every file is read once more. Only its
header is parsed. Its pixels come from the cache where they are stored; otherwise they are decoded.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from tlf.data.decode import upright_size
from tlf.data.inspection.for_each_image import for_each_image
from tlf.data.loading import Pixels
from tlf.events import Prepared
from tlf.training.job import Job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

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


def look_at(job: Job) -> Generator[Prepared, None, Appearances]:
    """Look at every image of both splits. All processes have to call this."""
    import numpy as np

    found: list[Look] = []
    for name, split in (("train", job.splits.train), ("eval", job.splits.eval)):
        look = partial(_look, split.read, job.pixels[name])
        title = f"looking at {name} images"
        machines = yield from for_each_image(job.accelerator, len(split), title, look)
        seen = machines[0].merged()
        found += [seen[index] for index in range(len(split))]
    digests, sizes, small = zip(*found, strict=True)
    return Appearances(digests, np.array(sizes, np.int64), np.stack(small))


def _look(read: Callable[[int], bytes], pixels: Pixels, index: int) -> "Look":
    data = read(index)
    return sha256(data).digest(), upright_size(data), small_image(pixels(index))


def small_image(image: "Tensor") -> "NDArray[np.uint8]":
    """A uint8 image (C, H, W) → (``SIDE``, ``SIDE``) in grey. Each pixel is the mean of an area."""
    import numpy as np
    from PIL import Image

    pixels = image.numpy()
    opened = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    return np.asarray(opened.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX))
