"""Worker processes that load images, and live as long as the images are loaded in the same way.

A worker loads ``CHUNK`` images at a time, not a whole batch: in an epoch of few large batches, most
workers would wait for the first ones.
"""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

import torch
from torch.utils.data import DataLoader

from tlf.components import Augmentation
from tlf.data.loading import Batch, Images, Key
from tlf.data.pixel_store import StoredPixels
from tlf.data.resident_pixels import Residents
from tlf.data.stored_batches import are_read_whole, stored_batches
from tlf.data.transfer import on_device
from tlf.data.workers import begin_worker
from tlf.errors import TlfError

CHUNK = 32
"""Images that a worker loads at a time."""


@contextmanager
def any_number_of_workers() -> Iterator[None]:
    """No warning about more workers than cores: a person may have asked for them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")
        yield


class Loader:
    """Loads batches of images, ``workers`` processes ahead of time."""

    def __init__(self, images: Images, workers: int, *, pin: bool) -> None:
        self.images = images
        self._keys = _Keys()
        self._split = workers > 0
        with any_number_of_workers():
            self._loader = DataLoader(
                images,
                batch_sampler=self._keys,  # type: ignore[arg-type]
                num_workers=workers,
                worker_init_fn=begin_worker,
                collate_fn=_collate,
                pin_memory=pin,
                persistent_workers=workers > 0,
            )

    def batches(self, keys: Iterable[Sequence[Key]]) -> Iterator[list[Batch]]:
        """Each batch, for its list of keys, in parts that follow each other.

        One iteration at a time: a second one ends the first.
        """
        counts: list[int] = []
        self._keys.current = self._parts(keys, counts)
        with any_number_of_workers():
            loaded = iter(self._loader)
        parts: list[Batch] = []
        try:
            for part in loaded:
                if isinstance(part, TlfError):
                    raise part
                parts.append(part)
                # Keys are taken ahead of the images: the count of this batch is known.
                if len(parts) == counts[0]:
                    yield parts
                    parts = []
                    del counts[0]
        finally:
            del loaded  # an error's traceback holds this frame

    def end(self) -> None:
        """End the workers now. Where an error's traceback holds this loader, they would wait for
        the collection of garbage, which waits 5 seconds for each of them.
        """
        del self._loader

    def _parts(self, keys: Iterable[Sequence[Key]], counts: list[int]) -> Iterator[Sequence[Key]]:
        for batch in keys:
            size = CHUNK if self._split else len(batch)
            parts = [batch[start : start + size] for start in range(0, len(batch), size)]
            counts.append(len(parts))
            yield from parts


class _Keys:
    """The keys of the current iteration. The loader asks for them anew in each."""

    def __init__(self) -> None:
        self.current: Iterable[Sequence[Key]] = ()

    def __iter__(self) -> Iterator[Sequence[Key]]:
        return iter(self.current)


@dataclass
class Loaders:
    """The loaders of a run: one for each split, until its augmentations change."""

    workers: int
    device: torch.device
    """Where the images are used. CUDA gets those that nothing changes as they are stored."""
    _current: dict[int, tuple[tuple[Augmentation, ...], Loader]] = field(default_factory=dict)
    """By the identity of a split's pixels, which its loader keeps alive."""
    _residents: Residents = field(default_factory=Residents)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End all workers: a program may keep the job after the run."""
        for _, loader in self._current.values():
            loader.end()
        self._current.clear()
        self.free_device()

    @property
    def _pins(self) -> bool:
        return self.device.type == "cuda"

    def free_device(self) -> None:
        """Free the memory of the device: other parameters train next, and may need it."""
        self._residents.release()

    def batches(self, images: Images, keys: Iterable[Sequence[Key]]) -> Iterator[Batch]:
        """Each batch of images, for its list of keys, on the device."""
        stored = images.pixels
        if self._pins and isinstance(stored, StoredPixels) and are_read_whole(images):
            resident = self._residents.of(stored, self.device)
            if resident is not None:
                return resident.batches(images, keys)
            batches = stored_batches(images, keys, self.workers + 1, pin=True)
            return on_device(batches, self.device)
        return on_device(self._loader(images).batches(keys), self.device)

    def _loader(self, images: Images) -> Loader:
        known = self._current.get(id(images.pixels))
        if known is None or known[0] != images.augmentations:
            self._current.pop(id(images.pixels), None)  # its workers end before others start
            loader = Loader(images, self.workers, pin=self._pins)
            known = self._current[id(images.pixels)] = images.augmentations, loader
        return known[1]


def _collate(samples: list[tuple[int, torch.Tensor, torch.Tensor]] | TlfError) -> Batch | TlfError:
    if isinstance(samples, TlfError):
        return samples
    indices, images, labels = zip(*samples, strict=True)
    return Batch(torch.tensor(indices), torch.stack(images), torch.stack(labels))
