"""The loss of an epoch, and how many images were classified correctly. Both stay on the device
until the host reads many numbers together.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor


@dataclass(frozen=True)
class Made:
    """An update, as one process made its part of it."""

    loss: Tensor
    """The sum of the losses of its images."""
    logits: tuple[Tensor, ...]
    """The lowest and the highest logit of each piece; none where a plugin makes the step."""
    images: int
    correct: tuple[Tensor, ...] = ()
    """Of each piece, whether its images are classified as their labels say (N,); none where labels
    are mixed, or where a plugin makes the step."""
    skipped: bool = False
    """Whether nothing moved: the gradients overflowed in fp16, and their scale is now lower."""


class LossMeter:
    """Sums the loss over the images of an epoch, and counts the correct ones.

    The sum of the losses is a number of the host: some devices have no float64, and in float32
    small losses would be lost in a large sum.
    """

    def __init__(self) -> None:
        self.total = 0.0
        """The sum over the images that this process has trained on, as far as it is read."""
        self.done = 0
        """Images that all processes together have trained on."""
        self.correct = 0
        """Images that this process classified correctly, as far as it is read."""
        self.classified = 0
        """Images of which it is known whether they are among ``correct``."""
        self._images = 0
        """Images that ``total`` is the sum over, since the run was started or resumed."""
        self._resumed_at = 0.0
        self._unread: list[tuple[int, Made]] = []

    def resume(self, total: float, done: int, correct: int = 0, classified: int = 0) -> None:
        """Continue from an earlier sum."""
        self.total, self.done, self._resumed_at = total, done, total
        self.correct, self.classified = correct, classified

    def add(self, made: Made, count: int, update: int) -> None:
        """Add an update on ``count`` images over all processes. ``update``: its number, from 0."""
        self.done += count
        self._unread.append((update, made))

    def pending(self) -> list[Tensor]:
        """What the host has not read yet."""
        figures = [number for _, made in self._unread for number in (made.loss, *made.logits)]
        return [*figures, torch.cat(correct).sum()] if (correct := self._correct()) else figures

    def take(self, values: Iterable[float]) -> dict[str, float]:
        """Add what was ``pending``, now that it is read.

        Returns:
            The first loss or logit that is not finite, with its name; otherwise nothing.
        """
        correct = self._correct()
        numbers, unread, self._unread = iter(values), self._unread, []
        for update, made in unread:
            loss = next(numbers)
            logits = [next(numbers) for _ in made.logits]
            for name, figures in {"loss": [loss], "logits": logits}.items():
                for figure in figures:
                    if not isfinite(figure):
                        return {f"the {name} of update {update + 1}": figure}
            self.total += loss
            self._images += made.images
        if correct:
            self.correct += int(next(numbers))
            self.classified += sum(map(len, correct))
        return {}

    def so_far(self) -> float | None:
        """The mean over the images that this process has trained on, as far as it is known."""
        return (self.total - self._resumed_at) / self._images if self._images else None

    def _correct(self) -> list[Tensor]:
        return [piece for _, made in self._unread for piece in made.correct]
