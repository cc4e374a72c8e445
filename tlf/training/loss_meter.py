"""The losses of an epoch, summed without waiting for a GPU at every update."""

from math import isfinite

import torch
from accelerate import Accelerator
from torch import Tensor

from tlf.errors import NotFiniteError

CHECK_EVERY = 20
"""Updates between two looks at the loss on a GPU, where every look waits for the device."""


class LossMeter:
    """A sum over images, and a watch for what is not a number."""

    def __init__(self, device: torch.device, where: str) -> None:
        self.total = torch.zeros((), device=device, dtype=torch.float64)
        """Summed over the images that this process has trained on."""
        self.done = 0
        """Images that all processes together have trained on."""
        self.where = where
        self._unseen: list[tuple[int, Tensor]] = []
        self._patience = 1 if device.type == "cpu" else CHECK_EVERY

    def add(self, loss: Tensor, count: int, update: int) -> None:
        """Add one update's summed loss over ``count`` images.

        Raises:
            NotFiniteError: the loss of this update, or of one not yet looked at, is not finite.
        """
        self.total += loss
        self.done += count
        self._unseen.append((update, loss))
        if len(self._unseen) >= self._patience:
            self._look()

    def mean(self, accelerator: Accelerator) -> float:
        """The mean over the images that all processes went through."""
        self._look()
        return float(accelerator.reduce(self.total, "sum").item()) / self.done

    def so_far(self) -> float | None:
        """The mean so far in this process, where knowing it costs nothing."""
        known = self.done and self.total.device.type == "cpu"
        return float(self.total.item()) / self.done if known else None

    def _look(self) -> None:
        for update, loss in self._unseen:
            if not isfinite(value := loss.item()):
                raise NotFiniteError(
                    f"the loss became {value} in {self.where}, update {update + 1}. Lower "
                    'the lr, add warmup or clip_grad_norm, or write precision = "no"'
                )
        self._unseen = []
