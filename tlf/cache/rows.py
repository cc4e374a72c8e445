"""Stored rows, batch by batch: from a GPU's own memory where they fit, otherwise read ahead."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import torch
from torch import Tensor

from tlf.cache.entry import Entry
from tlf.cache.resident import resident
from tlf.runtime.ahead import ahead, sent

_SHARE = 0.25
"""How much of a GPU's free memory the rows of one split may take."""

_SENT = 16
"""Batches whose indices are sent to a GPU together."""


@dataclass(frozen=True)
class Rows:
    """The rows of an entry: one for each image, each of ``length`` bytes."""

    entry: Entry
    length: int
    count: int
    device: torch.device

    def read(self, batches: Iterable[Sequence[int]]) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Indices (B,) and rows (B, length) of each batch, on the device; None instead of the rows
        where the entry was cut while it was in use.
        """
        if self._resident is not None:
            for indices in self._sent_ahead(batches):
                yield indices, self._resident[indices]
            return
        on_cpu = self.device.type == "cpu"
        read = map(self._read, batches) if on_cpu else self._ahead(batches, pin=self._pins)
        for indices, rows in read:
            yield self._sent(indices), None if rows is None else sent(rows, self.device)

    @property
    def _pins(self) -> bool:
        return self.device.type == "cuda"

    def _sent(self, indices: Tensor) -> Tensor:
        return sent(indices.pin_memory() if self._pins else indices, self.device)

    def _sent_ahead(self, batches: Iterable[Sequence[int]]) -> Iterator[Tensor]:
        """The indices of each batch, on the device; those of some batches are sent together."""
        waiting = iter(batches)
        while some := [*islice(waiting, _SENT)]:
            numbers = torch.tensor([number for batch in some for number in batch])
            yield from torch.split(self._sent(numbers), [*map(len, some)])

    def _read(
        self, batch: Sequence[int], buffer: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        into = None if buffer is None else buffer.numpy()
        try:
            rows = torch.from_numpy(self.entry.rows(batch, self.length, into))
        except OSError:
            return torch.tensor(batch), None
        return torch.tensor(batch), rows if buffer is None else buffer.view(len(batch), -1)

    def _ahead(
        self, batches: Iterable[Sequence[int]], *, pin: bool
    ) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Each batch, read by a thread while the one before it is used; ``pin``: into page-locked
        memory, which is got here. A thread that asked for it would start the first GPU.
        """
        with ThreadPoolExecutor(1) as thread:
            begun = (
                thread.submit(
                    self._read,
                    batch,
                    torch.empty(len(batch) * self.length, dtype=torch.uint8, pin_memory=pin),
                )
                for batch in batches
            )
            for reading in ahead(begun):
                yield reading.result()

    @cached_property
    def _resident(self) -> Tensor | None:
        """All rows on the device, where they take at most ``_SHARE`` of its free memory."""
        if self.device.type != "cuda":
            return None
        # Where it was cut, what is left of it is read batch by batch.
        found = resident(self.entry, self.device, _SHARE)
        return None if found is None else found.view(self.count, self.length)
