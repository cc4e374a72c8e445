"""The loss of an epoch. It stays on the device until the host reads many numbers together."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite

from torch import Tensor


@dataclass(frozen=True)
class Made:
    """An update, as one process made its part of it."""

    loss: Tensor
    """The sum of the losses of its images."""
    logits: tuple[Tensor, ...]
    """The lowest and the highest logit of each piece; none where a plugin makes the step."""
    images: int
    skipped: bool = False
    """Whether nothing moved: the gradients overflowed in fp16, and their scale is now lower."""


class LossMeter:
    """Sums the loss over the images of an epoch.

    The sum is a number of the host: some devices have no float64, and in float32 small losses would
    be lost in a large sum.
    """

    def __init__(self) -> None:
        self.total = 0.0
        """The sum over the images that this process has trained on, as far as it is read."""
        self.done = 0
        """Images that all processes together have trained on."""
        self._images = 0
        """Images that ``total`` is the sum over, since the run was started or resumed."""
        self._resumed_at = 0.0
        self._unread: list[tuple[int, Made]] = []

    def resume(self, total: float, done: int) -> None:
        """Continue from an earlier sum."""
        self.total, self.done, self._resumed_at = total, done, total

    def add(self, made: Made, count: int, update: int) -> None:
        """Add an update on ``count`` images over all processes. ``update``: its number, from 0."""
        self.done += count
        self._unread.append((update, made))

    def pending(self) -> list[Tensor]:
        """What the host has not read yet."""
        return [number for _, made in self._unread for number in (made.loss, *made.logits)]

    def take(self, values: Iterable[float]) -> dict[str, float]:
        """Add what was ``pending``, now that it is read.

        Returns:
            The first loss or logit that is not finite, with its name; otherwise nothing.
        """
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
        return {}

    def so_far(self) -> float | None:
        """The mean over the images that this process has trained on, as far as it is known."""
        return (self.total - self._resumed_at) / self._images if self._images else None
