"""Stored images in a GPU's own memory, for epochs that see the same ones again.

Only from the second time on that they are asked for while the same parameters train: by then it is
known how much memory training takes, and what is free now stays free.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from tlf.cache.resident import resident
from tlf.data.loading import Batch, Images, Key
from tlf.data.pixel_store import StoredPixels
from tlf.data.stored_batches import centres, places_of
from tlf.runtime.ahead import sent

_SHARE = 0.5
"""How much of the memory that is free the images of one split may take."""


@dataclass(frozen=True)
class ResidentPixels:
    """All stored images of a split, on a device."""

    values: Tensor
    """(V,) of uint8 or uint16: one image after the other."""
    stored: StoredPixels

    @classmethod
    def read(cls, stored: StoredPixels, device: torch.device) -> Self | None:
        """Read them; None where they do not fit, or the entry was cut."""
        values = resident(stored.entry, device, _SHARE)
        if values is None:
            return None
        return cls(values.view(torch.uint8 if stored.type == "uint8" else torch.uint16), stored)

    def batches(self, images: Images, keys: Iterable[Sequence[Key]]) -> Iterator[Batch]:
        """Each batch, for its list of keys, on the device."""
        device, pin = self.values.device, self.values.device.type == "cuda"
        labels, places = images.labels.to(device), self._places(images.size)
        for batch in keys:
            numbers = torch.tensor([index for _, index in batch])
            indices = sent(numbers.pin_memory() if pin else numbers, device)
            inputs = centres(self.values, places[indices], self._channels, images.size)
            yield Batch(indices, inputs, labels[indices])

    @cached_property
    def _channels(self) -> int:
        return int(self.stored.shapes[:, 0].max())

    def _places(self, size: int) -> Tensor:
        """(N, 3), see ``StoredBatch.places``."""
        starts = self.stored.starts // self.values.itemsize
        places = places_of(self.stored.shapes.astype("int64"), starts, size)
        return torch.from_numpy(places).to(self.values.device)


@dataclass
class Residents:
    """The splits that a device holds, while the same parameters train."""

    _asked: dict[int, "_Asked"] = field(default_factory=dict)
    """By the identity of a split's pixels."""

    def of(self, stored: StoredPixels, device: torch.device) -> ResidentPixels | None:
        """The images of a split, from the second time on; None where they are not held."""
        asked = self._asked.get(id(stored))
        if asked is None:
            self._asked[id(stored)] = _Asked(stored)
            return None
        if not asked.again:
            asked.again = True
            asked.resident = ResidentPixels.read(stored, device)
        return asked.resident

    def release(self) -> None:
        """Free their memory: what trains next may need it."""
        self._asked.clear()


@dataclass
class _Asked:
    stored: StoredPixels
    again: bool = False
    resident: ResidentPixels | None = None
