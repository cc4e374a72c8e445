"""Batches of stored images that nothing changes, on their way to a GPU.

Threads read whole images into the memory of the batch, one after the other, as they are stored. The
device cuts their centres: it takes images faster than one process could cut them.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tlf.data.loading import Batch, Images, Key
from tlf.data.pixel_store import StoredPixels
from tlf.runtime.ahead import ahead, sent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tlf.data.decoding.arrays import Values

_AHEAD = 1
"""Batches that are read ahead of the one that is copied, which is ahead of the one that is used.
Each takes page-locked memory, and 0.6 ms per MiB to get it."""

_CHUNK = 32
"""Images that a thread reads at a time."""


@dataclass(frozen=True)
class StoredBatch:
    """Images as they are stored, one after the other."""

    indices: Tensor
    """(B,) positions in the split."""
    pixels: Tensor
    """(V,) the values of all images, of uint8 or uint16."""
    places: Tensor
    """(B, 3): where the centre of an image begins, and how far its channels and its rows are from
    each other."""
    labels: Tensor
    """(B, …), as the task has them."""
    channels: int
    size: int
    """S."""

    def on(self, device: torch.device) -> Batch:
        """The centres of the images, on a device."""
        indices, pixels, places, labels = (
            sent(tensor, device) for tensor in (self.indices, self.pixels, self.places, self.labels)
        )
        return Batch(indices, centres(pixels, places, self.channels, self.size), labels)


def centres(pixels: Tensor, places: Tensor, channels: int, size: int) -> Tensor:
    """The centres of images (B, C, S, S). The channels of a pixel are neighbours in memory, as
    convolutions take them.

    Parameters:
        pixels: (V,) the values of images that are stored one after the other.
        places: (B, 3), see ``StoredBatch.places``.
        channels: C.
        size: S.
    """
    first, to_channel, to_row = places[:, None, None].unbind(-1)
    channel, row = (torch.arange(count, device=places.device) for count in (channels, size))
    begins = first + to_channel * channel[:, None] + to_row * row  # (B, C, S)
    # Few operations take uint16. Its bits are those of int16.
    values = pixels.view(torch.int16) if pixels.dtype == torch.uint16 else pixels
    cut = values.unfold(0, size, 1)[begins]  # (B, C, S, S)
    return cut.contiguous(memory_format=torch.channels_last).view(pixels.dtype)


def are_read_whole(images: Images) -> bool:
    """Whether images are stored, nothing changes them, and none has to be padded."""
    if not isinstance(images.pixels, StoredPixels) or images.augmentations or images.prepare:
        return False
    shapes = images.pixels.shapes  # zeros of an image that cannot be decoded
    return not images.full and bool(((shapes[:, 1:] >= images.size) | (shapes[:, 1:] == 0)).all())


def stored_batches(
    images: Images, keys: Iterable[Sequence[Key]], threads: int, *, pin: bool
) -> Iterator[list[StoredBatch]]:
    """Each batch, for its list of keys, in one part.

    Parameters:
        images: what ``are_read_whole`` says it of.
        keys: of each batch.
        threads: how many read.
        pin: whether batches are in page-locked memory.
    """
    pool = ThreadPoolExecutor(threads)
    begun = (_begun(images, [index for _, index in batch], pool, pin=pin) for batch in keys)
    try:
        for batch, filling in ahead(begun, _AHEAD):
            for each in filling:
                each.result()
            yield [batch]
    finally:
        pool.shutdown(cancel_futures=True)


def _begun(
    images: Images, numbers: Sequence[int], pool: ThreadPoolExecutor, *, pin: bool
) -> tuple[StoredBatch, list[Future[None]]]:
    """A batch, and what fills it."""
    stored = images.pixels
    assert isinstance(stored, StoredPixels)
    shapes = stored.shapes[numbers].astype(np.int64)
    sizes = shapes.prod(axis=1)
    ends = sizes.cumsum()
    dtype = torch.uint8 if stored.type == "uint8" else torch.uint16
    # One thread asks for memory: the first of a process, which has its GPU. Others would start the
    # first GPU of the host.
    pixels = torch.empty(int(ends[-1]), dtype=dtype, pin_memory=pin)
    places = torch.from_numpy(places_of(shapes, ends - sizes, images.size))
    indices = torch.tensor(numbers)
    labels = images.labels[indices]
    if pin:
        places, indices, labels = (each.pin_memory() for each in (places, indices, labels))
    batch = StoredBatch(indices, pixels, places, labels, int(shapes[0, 0]), images.size)
    values, starts = pixels.numpy(), [0, *ends.tolist()]
    filling = [
        pool.submit(_fill, values[starts[n] : starts[min(n + _CHUNK, len(numbers))]], stored, some)
        for n in range(0, len(numbers), _CHUNK)
        for some in [numbers[n : n + _CHUNK]]
    ]
    return batch, filling


def places_of(
    shapes: "NDArray[np.int64]", starts: "NDArray[np.int64]", size: int
) -> "NDArray[np.int64]":
    """Where the centres of images are; cut as ``center_crop`` cuts them.

    Parameters:
        shapes: (N, 3) of images (C, H, W).
        starts: (N,) the place of the first value of each.
        size: S.
    """
    _, heights, widths = shapes.T
    # As Python's round, it takes the even one of two numbers that are equally near.
    top, left = (np.rint((sides - size) / 2).astype(np.int64) for sides in (heights, widths))
    return np.stack([starts + top * widths + left, heights * widths, widths], axis=1)


def _fill(values: "Values", stored: StoredPixels, numbers: Sequence[int]) -> None:
    """Read images, one after the other; decode them anew where what is stored was cut."""
    try:
        stored.read_whole(numbers, values)
    except OSError:
        decoded = [stored.decoded(number).numpy().reshape(-1) for number in numbers]
        np.concatenate(decoded, out=values)
