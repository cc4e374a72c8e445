"""Stored rows, batch by batch: from a GPU's own memory where they fit, otherwise read ahead."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from tlf.cache.entry import Entry
from tlf.data.loading import Batch
from tlf.data.transfer import on_device

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

    def read(self, batches: Iterable[Sequence[int]]) -> Iterator[tuple[Tensor, Tensor]]:
        """Indices (B,) and rows (B, length) of each batch, on the device.

        Raises:
            OSError: the file was truncated or removed.
        """
        if self.device.type == "cpu":
            for batch in batches:
                yield torch.tensor(batch), self._read(batch)
        elif self._resident is not None:
            for batch in batches:
                indices = torch.tensor(batch).pin_memory().to(self.device, non_blocking=True)
                yield indices, self._resident[indices]
        else:
            for moved in on_device(self._ahead(batches, pin=True), self.device):
                yield moved.indices, moved.inputs

    def _read(self, batch: Sequence[int]) -> Tensor:
        return torch.from_numpy(self.entry.rows(batch, self.length))

    def _ahead(self, batches: Iterable[Sequence[int]], *, pin: bool) -> Iterator[list[Batch]]:
        """Each batch, in page-locked memory, read by a thread while the one before it is used."""

        def read(batch: Sequence[int]) -> list[Batch]:
            indices = torch.tensor(batch)
            loaded = Batch(indices, self._read(batch), indices, stored=True)
            return [loaded.pin_memory() if pin else loaded]

        with ThreadPoolExecutor(1) as thread:
            waiting = None
            for batch in batches:
                reading = thread.submit(read, batch)
                if waiting is not None:
                    yield waiting.result()
                waiting = reading
            if waiting is not None:
                yield waiting.result()

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
            block = self.entry.read(start * self.length, (stop - start) * self.length)
            rows[start:stop] = torch.from_numpy(block).view(stop - start, self.length)
        return rows
