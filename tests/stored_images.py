"""Stored images of different shapes, batches of their numbers, and what a batch must be."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from tlf.cache.entry import EntryKey
from tlf.cache.store import Cache
from tlf.data.loading import Batch, Images, Key
from tlf.data.pixel_store import StoredPixels

COUNT, SIZE = 71, 4


def stored(folder: Path, type_: str = "uint8", channels: int = 3) -> StoredPixels:
    """Images of different shapes, none of them narrower or lower than ``SIZE``."""
    rng = np.random.default_rng(0)
    shapes = np.stack(
        [np.full(COUNT, channels), *rng.integers(SIZE, 9, (2, COUNT))], axis=1, dtype=np.int32
    )
    sizes = shapes.prod(axis=1, dtype=np.int64)
    values = rng.integers(0, np.iinfo(type_).max + 1, sizes.sum()).astype(type_)
    ends = sizes.cumsum()
    cache, key = Cache(folder, 10**9), EntryKey("pixels", "images", {"a": type_})
    cache.store(key, values.tobytes())

    def decoded(index: int) -> torch.Tensor:
        image = values[ends[index] - sizes[index] : ends[index]]
        return torch.from_numpy(image.reshape(shapes[index]).copy())

    starts = (ends - sizes) * values.itemsize
    return StoredPixels(cache.open(key), shapes, starts, decoded, type=type_)


def batches(*sizes: int, seed: int | None = None) -> list[list[Key]]:
    """Keys of batches; of images in another order where there is a seed."""
    numbers = range(sum(sizes))
    if seed is not None:
        numbers = np.random.default_rng(seed).permutation(COUNT)[: sum(sizes)].tolist()
    numbers = iter(numbers)
    return [[(0, next(numbers)) for _ in range(size)] for size in sizes]


def check_batches(found: Iterable[Batch], images: Images, keys: list[list[Key]]) -> None:
    """Check that batches hold what each image is by itself, channels last."""
    found = [*found]
    assert [len(batch.labels) for batch in found] == [len(each) for each in keys]
    for batch, each in zip(found, keys, strict=True):
        samples = [images[key] for key in each]
        assert batch.indices.tolist() == [index for index, _, _ in samples]
        assert torch.equal(batch.inputs.cpu(), torch.stack([image for _, image, _ in samples]))
        assert batch.inputs.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(batch.labels.cpu(), torch.stack([label for _, _, label in samples]))
