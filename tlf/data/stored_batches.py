"""Batches of stored images that nothing changes: threads read them straight into the batch.

For a GPU alone, which takes them faster than one process could unpack what others have loaded.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from tlf.data.loading import Batch, Images, Key
from tlf.runtime.ahead import ahead

_AHEAD = 3
"""Batches that are read ahead of the one that is used."""

_CHUNK = 16
"""Images that a thread reads at a time."""


def stored_batches(
    images: Images, keys: Iterable[Sequence[Key]], threads: int, *, pin: bool
) -> Iterator[list[Batch]]:
    """Each batch, for its list of keys, in one part; ``pin``: in page-locked memory."""
    pool = ThreadPoolExecutor(threads)
    begun = (_begun(images, batch, pool, pin=pin) for batch in keys)
    try:
        for batch, filling in ahead(begun, _AHEAD):
            for each in filling:
                each.result()
            yield [batch]
    finally:
        pool.shutdown(cancel_futures=True)


def _begun(
    images: Images, keys: Sequence[Key], pool: ThreadPoolExecutor, *, pin: bool
) -> tuple[Batch, list[Future[None]]]:
    """A batch, and what fills it."""
    _, first, _ = images[keys[0]]
    inputs = torch.empty((len(keys), *first.shape), dtype=first.dtype, pin_memory=pin)
    chunks = [(n, keys[n : n + _CHUNK]) for n in range(0, len(keys), _CHUNK)]
    filling = [pool.submit(_fill, inputs[n : n + _CHUNK], images, chunk) for n, chunk in chunks]
    indices = torch.tensor([index for _, index in keys])
    labels = images.labels[indices]
    if pin:
        indices, labels = indices.pin_memory(), labels.pin_memory()
    return Batch(indices, inputs, labels), filling


def _fill(inputs: Tensor, images: Images, keys: Sequence[Key]) -> None:
    # By NumPy: torch would start threads of its own in each of these.
    for place, key in zip(inputs.numpy(), keys, strict=True):
        np.copyto(place, images[key][1].numpy())
