"""Stored rows, batch by batch: from a GPU's own memory where they fit, otherwise read ahead."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from tlf.cache.entry import Entry
from tlf.runtime.ahead import ahead

_SHARE = 0.25
"""How much of a GPU's free memory the rows of one split may take."""

_BLOCK = 64 * 2**20
"""Bytes that are read at a time on their way to a GPU."""


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
            for batch in batches:
                indices = self._sent(torch.tensor(batch))
                yield indices, self._resident[indices]
            return
        read = map(self._read, batches) if self.device.type == "cpu" else self._ahead(batches)
        for indices, rows in read:
            yield self._sent(indices), None if rows is None else self._sent(rows)

    def _sent(self, tensor: Tensor) -> Tensor:
        """Copied to the device; the host does not wait."""
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)

    def _read(self, batch: Sequence[int]) -> tuple[Tensor, Tensor | None]:
        try:
            rows = torch.from_numpy(self.entry.rows(batch, self.length))
        except OSError:
            return torch.tensor(batch), None
        return torch.tensor(batch), rows

    def _ahead(self, batches: Iterable[Sequence[int]]) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Each batch, read by a thread while the one before it is used."""
        with ThreadPoolExecutor(1) as thread:
            for reading in ahead(thread.submit(self._read, batch) for batch in batches):
                yield reading.result()

    @cached_property
    def _resident(self) -> Tensor | None:
        """All rows on the device, where they take at most ``_SHARE`` of its free memory."""
        if self.device.type != "cuda":
            return None
        free, _ = torch.cuda.mem_get_info(self.device)
        if self.count * self.length > _SHARE * free:
            return None
        rows = torch.empty(self.count, self.length, dtype=torch.uint8, device=self.device)
        step = max(1, _BLOCK // self.length)
        for start in range(0, self.count, step):
            stop = min(start + step, self.count)
            try:
                block = self.entry.read(start * self.length, (stop - start) * self.length)
            except OSError:  # it was cut: what is left of it is read batch by batch
                return None
            rows[start:stop] = torch.from_numpy(block).view(stop - start, self.length)
        return rows
