"""Train images that calibrate the model: the head that classifies them has not seen them."""

from array import array
from collections.abc import Collection, Sequence
from typing import Any

from tlf.components import Split, Splits
from tlf.data.listing.compact import Names, chosen
from tlf.data.splits import hold_out, listed
from tlf.data.splitting.divide import dealt, groups_held_out, groups_in_folds
from tlf.errors import DataError, RecipeError
from tlf.model import Classifier
from tlf.recipe.plan import Plan
from tlf.recipe.schema import Recipe
from tlf.tasks import TASKS, Task
from tlf.training.phases import trains_backbone

FOLDS = 5


def check_calibration(plan: Plan, classifier: Classifier) -> None:
    """Check that a head alone trains where heads are trained on folds: a backbone that trains has
    seen the labels of all of them.

    Raises:
        RecipeError: names the first phase that trains more.
    """
    if plan.recipe.calibration != "out-of-fold":
        return
    if phase := trains_backbone(plan, classifier):
        problem = (
            'calibration: must be "eval" or a fraction where the backbone trains, as in the phase '
            f'{phase}, got "out-of-fold"; write calibration = 0.1, for example'
        )
        raise RecipeError([problem], plan.source)


def hold_out_of_training(splits: Splits, recipe: Recipe) -> tuple[frozenset[int], tuple[str, ...]]:
    """The indices of the train images that ``calibration`` holds out of each class, and a note
    about them. Which ones they are depends only on the seed and on each image's name.

    Raises:
        DataError: each class has a single image, or all images of a class would be held out: they
            are of one group, or of rarer classes, too.
    """
    fraction, task = recipe.calibration, TASKS[recipe.task]
    if isinstance(fraction, str):
        return frozenset(), ()
    indices = _held_out(splits, fraction, recipe.seed, task)
    lost = _lost(splits, indices, task)
    if not indices or lost:
        of = f"all images of {listed(lost, 3)}" if lost else "classes with a single image"
        raise DataError(
            f"calibration must leave an image of each class to train on, got {fraction} of {of}; "
            'write calibration = "eval", or add images'
        )
    note = (
        f"{len(indices):,} of {len(splits.train):,} train images are held out to calibrate the "
        f"model (calibration = {fraction})"
    )
    return indices, (note,)


def labels_left(train: Split, held_out: Collection[int]) -> Sequence[Any]:
    """The labels of the train images that are not held out."""
    labels = train.labels
    return chosen(labels, (i for i in range(len(labels)) if i not in held_out))


def _lost(splits: Splits, held_out: Collection[int], task: Task) -> list[str]:
    """The classes of whose train images none is left."""
    labels, number = splits.train.labels, len(splits.classes)
    inside = task.class_counts([labels[index] for index in held_out], number)
    every = task.class_counts(labels, number)
    counts = zip(splits.classes, every, inside, strict=True)
    return [name for name, count, held in counts if 0 < count == held]


def _held_out(splits: Splits, fraction: float, seed: int, task: Task) -> frozenset[int]:
    train = splits.train
    if train.groups is not None and len({*train.groups}) > 1:
        return frozenset(groups_held_out(train.groups, task.strata(train.labels), fraction, seed))
    _, held_out = hold_out(_by_stratum(train, task), fraction, seed)
    return _indices(train, {name for names in held_out.values() for name in names})


def folds(split: Split, task: Task, seed: int) -> list[frozenset[int]]:
    """A split dealt into folds, each with the same part of every class: the indices of their
    images. Empty folds are left out, and groups stay whole.
    """
    if split.groups is not None and (number := len({*split.groups})) > 1:
        strata = task.strata(split.labels)
        fold = groups_in_folds(split.groups, strata, min(FOLDS, number), seed)
        return [
            frozenset(i for i, own in enumerate(fold) if own == k) for k in range(max(fold) + 1)
        ]
    dealt_names = dealt(_by_stratum(split, task), FOLDS, seed)
    return [indices for names in dealt_names if (indices := _indices(split, names))]


def _by_stratum(split: Split, task: Task) -> dict[Any, Names]:
    """Stratum of the task → the names of its images."""
    groups: dict[Any, array[int]] = {}
    for index, stratum in enumerate(task.strata(split.labels)):
        groups.setdefault(stratum, array("i")).append(index)
    return {stratum: Names(split.names[i] for i in found) for stratum, found in groups.items()}


def _indices(split: Split, names: Collection[str]) -> frozenset[int]:
    """The indices of images by name: one that is listed twice has two."""
    return frozenset(index for index, name in enumerate(split.names) if name in names)
