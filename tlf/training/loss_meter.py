"""The loss of an epoch, summed without waiting for the GPU at every update."""

from math import isfinite

import torch
from accelerate import Accelerator
from torch import Tensor

from tlf.errors import NotFiniteError

CHECK_EVERY = 20
"""Updates between two checks of the loss on a GPU, where every check waits for the device."""


class LossMeter:
    """Sums the loss over images, and raises when it is not finite."""

    def __init__(self, device: torch.device, where: str) -> None:
        self.total = torch.zeros((), device=device, dtype=torch.float64)
        """The sum over the images that this process has trained on."""
        self.done = 0
        """Images that all processes together have trained on."""
        self.where = where
        self._unchecked: list[tuple[int, Tensor]] = []
        self._check_every = 1 if device.type == "cpu" else CHECK_EVERY

    def add(self, loss: Tensor, count: int, update: int) -> None:
        """Add one update's summed loss over ``count`` images.

        Raises:
            NotFiniteError: the loss of this update, or of an earlier unchecked one, is not finite.
        """
        self.total += loss
        self.done += count
        self._unchecked.append((update, loss))
        if len(self._unchecked) >= self._check_every:
            self._check()

    def mean(self, accelerator: Accelerator) -> float:
        """The mean loss over the images of all processes."""
        self._check()
        return float(accelerator.reduce(self.total, "sum").item()) / self.done

    def so_far(self) -> float | None:
        """The mean so far in this process; None on a GPU, where reading it would wait."""
        known = self.done and self.total.device.type == "cpu"
        return float(self.total.item()) / self.done if known else None

    def _check(self) -> None:
        for update, loss in self._unchecked:
            if not isfinite(value := loss.item()):
                raise NotFiniteError(
                    f"the loss must be finite, got {value} in {self.where}, update {update + 1}; "
                    'write a lower lr, warmup, clip_grad_norm, or precision = "no"'
                )
        self._unchecked = []
