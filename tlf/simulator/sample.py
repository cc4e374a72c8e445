"""The few images of the page, out of those of a recipe."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

from tlf.components import Split
from tlf.data.inspection.inspect import Events
from tlf.data.loading import decoded_pixels, order
from tlf.training.job import Job, read_images

TRAIN, EVAL = 16, 16
"""Images of the page of each split, at most."""


def sampled(job: Job, train: int = TRAIN, eval: int = EVAL) -> Generator[Events, None, Job]:
    """The same job with a few of its images, and with them read. Unreadable ones are left out.

    Raises:
        DataError: no image is left.
    """
    seed, splits = job.recipe.seed, job.splits
    few = replace(
        splits,
        train=some(splits.train, len(splits.classes), train, seed),
        eval=some(splits.eval, len(splits.classes), eval, seed),
    )
    pixels = decoded_pixels(few, job.preprocessing)
    return (yield from read_images(replace(job, splits=few, pixels=pixels), may_lose_classes=True))


def some(split: Split, classes: int, count: int, seed: int) -> Split:
    """Images of every class in turn, in an order that the seed decides."""
    of_class: dict[Any, list[int]] = {}
    for index in order(seed, 0, len(split)):
        of_class.setdefault(split.labels[index], []).append(index)
    turns = sorted(
        (turn, label, index)
        for label, own in of_class.items()
        for turn, index in enumerate(own[:count])
    )
    chosen = [index for _, _, index in turns[:count]]
    return replace(
        split,
        names=[split.names[i] for i in chosen],
        labels=[split.labels[i] for i in chosen],
        read=_Chosen(split, chosen),
    )


class _Chosen:
    """Reads some images of a split by their new positions. Picklable."""

    def __init__(self, split: Split, indices: Sequence[int]) -> None:
        self.split, self.indices = split, indices

    def __call__(self, index: int) -> bytes:
        """The bytes of the image at a new position."""
        return self.split.read(self.indices[index])
