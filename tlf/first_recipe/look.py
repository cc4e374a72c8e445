"""Look at a folder of images: how many, of which classes, how large, in which splits."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from tlf.components import Split, Splits
from tlf.data.decoding.values import decoded_size, unusual
from tlf.errors import DataError
from tlf.tasks import DEFAULT, TASKS
from tlf.tasks.class_counts import ClassCounts

SAMPLED = 300
"""Images whose size is read, at most. They are spread over the train split."""


@dataclass(frozen=True)
class Look:
    """What was seen."""

    splits: Splits
    train: ClassCounts
    """Train images of each class."""
    eval: ClassCounts
    """Eval images of each class."""
    side: int | None
    """Median of the shorter side in pixels; None where no image of the sample can be read."""
    sampled: int
    """How many images were opened for it."""
    unreadable: tuple[str, ...]
    """Names of those of them that cannot be read."""
    test: str | None = None
    """The folder of the test split, if there is one beside the eval split."""
    deep: bool = False
    """Whether some of the sample hold 16 bits that tlf can keep."""
    channels: int | None = None
    """Of the sample, where they are neither grey nor colour."""

    @property
    def images(self) -> int:
        """Train images."""
        return self.train.images

    @property
    def unevaluated(self) -> tuple[str, ...]:
        """Classes without an eval image."""
        return self._named(self.eval, 0)

    @property
    def untrained(self) -> tuple[str, ...]:
        """Classes without a train image."""
        return self._named(self.train, 0)

    def _named(self, counts: Sequence[int], count: int) -> tuple[str, ...]:
        classes = zip(self.splits.classes, counts, strict=True)
        return tuple(name for name, own in classes if own == count)


def look(splits: Splits, test: str | None = None, task: str = DEFAULT) -> Look:
    """Count images and classes, and open a sample of the train images. ``test``: the folder of the
    test split, whose images are not opened.
    """
    counts = TASKS[task].class_counts
    sample, unreadable = _sample(splits.train)
    sides = [side for side, _, _ in sample]
    depths = {depth for _, depth, _ in sample}
    channels = {own for _, _, own in sample}
    return Look(
        splits,
        counts(splits.train.labels, len(splits.classes)),
        counts(splits.eval.labels, len(splits.classes)),
        round(median(sides)) if sides else None,
        len(sides) + len(unreadable),
        tuple(unreadable),
        test,
        "grey" in depths and "colour" not in depths,
        channels.pop() if len(channels) == 1 else None,
    )


def _sample(split: Split) -> tuple[list[tuple[int, str, int | None]], list[str]]:
    """Shorter side, kind of 16 bits and unusual channels of images; names of unreadable ones."""
    seen: list[tuple[int, str, int | None]] = []
    unreadable: list[str] = []
    step = max(1, -(-len(split) // SAMPLED))
    for index in range(0, len(split), step):
        try:
            data = split.read(index)
            seen.append((min(decoded_size(data)), *unusual(data)))
        except (DataError, OSError):  # named in the recipe
            unreadable.append(split.names[index])
    return seen, unreadable
