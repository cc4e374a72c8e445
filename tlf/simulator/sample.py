"""The few images of the page, out of those of a recipe."""

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from torch import Tensor

from tlf.components import Split, Splits
from tlf.data.inspection.inspect import Events, inspect_split
from tlf.data.inspection.readable import ReadSubset
from tlf.data.inspection.white import find_white
from tlf.data.listing.compact import chosen
from tlf.data.loading import Pixels, decoded_pixels, order
from tlf.data.transforms import load
from tlf.errors import DataError
from tlf.training.job import Job

MOST = 16
"""Images of each split, at most."""
LEAST = 2
"""Images of the train split, at least: BatchNorm cannot train on one alone."""
_NAMED = 5
"""Unreadable images that a note names, at most."""


def sampled(job: Job) -> Generator[Events, None, Job]:
    """The same job with a few of its images, which are read and decoded once.

    Classes take turns, in an order of their images that the recipe's seed decides; an image of
    several classes counts for the rarest of them. Of more than ``MOST`` classes, the first ones
    have an image each: the same classes in both splits.
    Unreadable images are left out, others of their class take their places, and a note names them.

    Raises:
        DataError: too few images can be read.
    """
    train, train_notes = yield from _readable(job, job.splits.train, "train", LEAST)
    evaluated, eval_notes = yield from _readable(job, job.splits.eval, "eval", 1)
    few = replace(job.splits, train=train, eval=evaluated)
    white, white_notes = yield from _white(job, few)
    notes = (*job.splits.notes, *train_notes, *eval_notes, *white_notes)
    splits, preprocessing = replace(few, notes=notes), replace(job.preprocessing, white=white)
    pixels = _decoded(splits, decoded_pixels(splits, preprocessing))
    return replace(job, splits=splits, preprocessing=preprocessing, pixels=pixels)


@dataclass(frozen=True)
class HeldPixels:
    """Decoded images, each a copy: a transform may write into the one that it is given."""

    images: tuple[Tensor, ...]

    def __call__(self, index: int) -> Tensor:
        """A uint8 image (C, H, W)."""
        return self.images[index].clone()


def first_images(job: Job, count: int) -> Job:
    """The same job with the first images of each split alone."""
    both = job.splits.train, job.splits.eval
    train, evaluated = (_subset(split, range(min(count, len(split)))) for split in both)
    splits = replace(job.splits, train=train, eval=evaluated)
    # Pixels of their own: the job's loaders know a split by them.
    return replace(job, splits=splits, pixels=_decoded(splits, job.pixels))


def _decoded(splits: Splits, pixels: Mapping[str, Pixels]) -> Mapping[str, Pixels]:
    """The images of both splits, decoded."""
    both = {"train": splits.train, "eval": splits.eval}
    held = {n: HeldPixels(tuple(map(pixels[n], range(len(split))))) for n, split in both.items()}
    return {**pixels, **held}


def _readable(
    job: Job, split: Split, name: str, least: int
) -> Generator[Events, None, tuple[Split, list[str]]]:
    """Some images of a split that can be read, and a note about those that cannot."""
    of_class: dict[Any, list[int]] = {}
    strata = job.task.strata(split.labels)
    for index in order(job.recipe.seed, 0, len(split)):
        of_class.setdefault(strata[index], []).append(index)
    readable: set[int] = set()
    reasons: dict[int, str] = {}
    while unread := [i for i in in_turn(of_class, reasons, MOST) if i not in readable]:
        found = yield from inspect_split(
            _subset(split, unread), name, job.accelerator, lambda b: load(b, job.preprocessing)
        )
        reasons |= {unread[position]: why for position, why in found.reasons.items()}
        readable |= {unread[position] for position in found.readable}
    shown = ", ".join(f"{split.names[i]} ({why})" for i, why in islice(reasons.items(), _NAMED))
    more = f" and {len(reasons) - _NAMED} more" if len(reasons) > _NAMED else ""
    if len(readable) < least:
        raise DataError(
            f"{name} must have at least {least} image{'s' if least > 1 else ''} that can be read, "
            f"got {len(readable)}; replace {shown}{more}"
        )
    count = f"{len(reasons)} image{'s' if len(reasons) > 1 else ''}"
    notes = [f"{name}: left out {count} that cannot be read: {shown}{more}"] if reasons else []
    return _subset(split, in_turn(of_class, reasons, MOST)), notes


def in_turn(
    of_class: Mapping[Any, Sequence[int]], without: Collection[int], count: int
) -> list[int]:
    """Images of every class in turn, the same number of each as far as there are as many.

    >>> in_turn({0: [5, 3, 1], 1: [2], 2: [4, 0]}, {4}, 5)
    [5, 2, 0, 3, 1]
    """
    first = [
        [*islice((index for index in of_class[label] if index not in without), count)]
        for label in sorted(of_class)
    ]
    turns = (own[turn] for turn in range(count) for own in first if turn < len(own))
    return [*islice(turns, count)]


def _subset(split: Split, indices: Sequence[int]) -> Split:
    names, labels = ([each[i] for i in indices] for each in (split.names, split.labels))
    groups = None if split.groups is None else chosen(split.groups, indices)
    return Split(names, labels, ReadSubset(split, indices), groups=groups)


def _white(job: Job, few: Splits) -> Generator[Events, None, tuple[int, list[str]]]:
    """The white of 16-bit grey images, as a run has it, and notes about it."""
    white, how = job.recipe.data.white, job.preprocessing
    if white == "auto":  # the largest value of all train images
        return (yield from find_white(job.splits, white, job.accelerator, how))
    used, notes = yield from find_white(few, white, job.accelerator, how)
    return used, [f"of the images shown, {note}" for note in notes]
