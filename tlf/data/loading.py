"""Splits and transforms → batches. Order and augmentation are functions of (seed, epoch, index).

All processes share one batch. It is sharded over the pieces that are computed one after the other,
and each piece over the processes, so that images i and B - 1 - i are in the same shard: batch
augmentations mix such pairs.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Generic, TypeVar, overload

import torch
from torch import Tensor
from torch.utils.data import Dataset

from tlf.components import Augmentation, Split, Splits
from tlf.data.listing.compact import Numbers
from tlf.data.pixel_store import FULL
from tlf.data.transforms import center_crop, load, load_full
from tlf.errors import DataError, StorageError, TlfError
from tlf.preprocessing import Preprocessing
from tlf.runtime.ahead import sent
from tlf.runtime.seeds import derive, seeded

Item = TypeVar("Item")
Key = tuple[int, int]
"""The number of a draw of an image, and its index: its augmentation is drawn from these. Where each
epoch draws every image once, the number is the epoch's in the run."""

EVAL_BATCH = 32
"""Images in a batch where nothing is trained."""


@dataclass(frozen=True)
class Batch:
    """Images on their way to the model."""

    indices: Tensor
    """(B,) positions in the split."""
    inputs: Tensor
    """Images (B, C, S, S) of uint8 or uint16, or the stored output of the frozen stages."""
    labels: Tensor
    """(B, …), as the task has them."""
    stored: bool = False
    """Whether ``inputs`` is the output of the frozen stages."""

    def on(self, device: torch.device) -> "Batch":
        """The same on a device."""
        indices, inputs, labels = (
            sent(t, device) for t in (self.indices, self.inputs, self.labels)
        )
        return Batch(indices, inputs, labels, self.stored)

    def pin_memory(self) -> "Batch":
        """The same in page-locked memory, from which copies to a GPU are asynchronous."""
        indices, inputs, labels = (t.pin_memory() for t in (self.indices, self.inputs, self.labels))
        return Batch(indices, inputs, labels, self.stored)


Pixels = Callable[[int], Tensor]
"""Index → a decoded image (C, H, W) of uint8 or uint16, resized or at full resolution. Picklable:
processes may load images."""


@dataclass(frozen=True)
class Decoded:
    """The images of a split, each decoded every time it is read."""

    split: Split
    preprocessing: Preprocessing
    full: bool = False
    """Whether images keep their full resolution instead of being resized."""

    def __call__(self, index: int) -> Tensor:
        """An image (C, H, W).

        Raises:
            DataError: it cannot be read any more: every image was read once before.
        """
        try:
            data = self.split.read(index)
            return (load_full if self.full else load)(data, self.preprocessing)
        except StorageError:
            raise
        except (DataError, OSError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise DataError(
                f"{self.split.names[index]} could be read before, and no longer can: {why}; put "
                "the file back as it was, and go on"
            ) from error


def decoded_pixels(splits: Splits, preprocessing: Preprocessing) -> dict[str, Pixels]:
    """The images of both splits, and the train images at full resolution (``full``), each decoded
    every time it is read.
    """
    return {
        "train": Decoded(splits.train, preprocessing),
        "eval": Decoded(splits.eval, preprocessing),
        FULL: Decoded(splits.train, preprocessing, full=True),
    }


@dataclass(frozen=True)
class Images(Dataset[tuple[int, Tensor, Tensor]]):
    """The images of a split as a backbone takes them, before normalization."""

    pixels: Pixels
    labels: Tensor
    """(N, …), as the task has them."""
    size: int
    """S."""
    augmentations: tuple[Augmentation, ...] = ()
    seed: int = 0
    full: bool = False
    """Whether ``pixels`` gives full resolution: then the first augmentation crops."""
    prepare: tuple[Callable[[Tensor], Tensor], ...] = ()
    """What is done to every image first, the same each time."""

    def __getitem__(self, key: Key) -> tuple[int, Tensor, Tensor]:
        """Index, image (C, S, S), label (…)."""
        epoch, index = key
        image = self.pixels(index)
        for transform in self.prepare:
            image = transform(image)
        if self.augmentations:
            with seeded(self.seed, "augment", epoch, index):
                for augmentation in self.augmentations:
                    image = augmentation.augment(image, self.size)
        return index, center_crop(image, self.size), self.labels[index]

    def __getitems__(self, keys: Sequence[Key]) -> list[tuple[int, Tensor, Tensor]] | TlfError:
        """The images of a batch; or the error of one of them, which torch would put into a text
        with its traceback where a worker process raises it.
        """
        try:
            return [self[key] for key in keys]
        except TlfError as error:
            return error


def order(seed: int, epoch: int, count: int) -> Numbers:
    """The order of ``count`` images in an epoch of the run.

    >>> sorted(order(0, 1, 5)), order(0, 1, 5) == order(0, 1, 5)
    ([0, 1, 2, 3, 4], True)
    """
    generator = torch.Generator().manual_seed(derive(seed, "order", epoch))
    return Numbers(torch.randperm(count, generator=generator).int().numpy().tobytes())


class Batches(Sequence[list[Item]]):
    """Images in batches. Each list is made where it is asked for: there are very many of them."""

    def __init__(self, images: Sequence[Item], size: int, count: int) -> None:
        self._images, self._size, self._last = images, size, count - 1
        self._numbers = range(count)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> list[Item]: ...
    @overload
    def __getitem__(self, index: slice) -> "Batches[Item]": ...
    def __getitem__(self, index: int | slice) -> "list[Item] | Batches[Item]":
        number = self._numbers[index]
        if isinstance(number, range):
            some = copy(self)
            some._numbers = number
            return some
        start = number * self._size
        end = len(self._images) if number == self._last else start + self._size
        return list(self._images[start:end])


def make_batches(images: Sequence[Item], size: int, *, lone: bool = True) -> Batches[Item]:
    """Divide an order into batches; the last one may be smaller.

    Where ``lone`` is false, a last batch of one image joins the batch before it: BatchNorm cannot
    train on a single value per channel.

    >>> [*make_batches(range(5), 2)], [*make_batches(range(5), 2, lone=False)]
    ([[0, 1], [2, 3], [4]], [[0, 1], [2, 3, 4]])
    """
    count = -(-len(images) // size)
    alone = count > 1 and len(images) - (count - 1) * size == 1
    return Batches(images, size, count - (alone and not lone))


def shard(batch: Sequence[Item], index: int, shards: int) -> list[Item]:
    """One of ``shards`` shards of a batch. Images i and B - 1 - i are in the same shard, at
    mirrored positions: flipping each shard along B flips the batch.

    The first shard always holds images. No shard holds one image, unless the batch does: BatchNorm
    cannot train on it.

    >>> shard([0, 1, 2, 3, 4, 5, 6, 7], 0, 2), shard([0, 1, 2, 3, 4, 5, 6, 7], 1, 2)
    ([0, 1, 6, 7], [2, 3, 4, 5])
    >>> [shard([0, 1, 2, 3, 4], index, 3) for index in range(3)]
    [[0, 4], [1, 2, 3], []]
    """
    if shards == 1:
        return list(batch)
    pairs = max(1, len(batch) // 2)
    first, end = (-(-pairs * n // shards) for n in (index, index + 1))
    front = [*range(first, end)]
    if len(batch) > 1 and len(batch) % 2 and first < end == pairs:
        front.append(pairs)  # the image in the middle goes with the pair around it
    back = [len(batch) - 1 - i for i in reversed(front) if len(batch) - 1 - i != i]
    return [batch[i] for i in [*front, *back]]


@dataclass(frozen=True)
class Share(Generic[Item]):
    """The images of a batch that one process computes at once."""

    images: list[Item]
    """Never empty: where a process has no image of a piece, it holds one that does not count."""
    count: int
    """How many of the images count: all of them, or none."""
    last: bool
    """Whether it is the last one of its batch."""


def deal(
    batch: Sequence[Item], accumulate: int, process: int, processes: int, *, together: bool
) -> Iterator[Share[Item]]:
    """The shares of one process of a batch, piece by piece.

    A piece holds the same images on any number of processes. Every process has a share of the last
    piece, though it may not count: the others wait for its gradients.

    Parameters:
        batch: its images.
        accumulate: the number of pieces. Where there are fewer pairs of images, there are fewer.
        process: the number of the process.
        processes: how many there are.
        together: whether all processes have to compute every piece, as synchronised norms need it.

    >>> [(share.images, share.count) for share in deal([0, 1, 2, 3], 2, 1, 2, together=False)]
    [([1], 0)]
    """
    pieces = min(accumulate, max(1, len(batch) // 2))
    for number in range(pieces):
        piece = shard(batch, number, pieces)
        own, last = shard(piece, process, processes), number == pieces - 1
        if own or last or together:
            yield Share(own or piece[:1], len(own), last)
