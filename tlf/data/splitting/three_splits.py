"""Train, eval and test as a recipe asks for them, of what a dataset has built."""

from collections.abc import Sequence
from dataclasses import replace

from tlf.components import Split, Splits
from tlf.data.listing.compact import Names, Numbers
from tlf.data.splits import each_split, parts_of
from tlf.data.splitting.groups import check_apart, found_in_column, found_in_names, is_pattern
from tlf.data.splitting.images import Asked, Images
from tlf.data.splitting.pool import part, pooled
from tlf.errors import DataError
from tlf.tasks import Task


def divided(splits: Splits, asked: Asked, task: Task) -> Splits:
    """The splits as a recipe asks for them. Where it asks for nothing, they stay as they are.

    Raises:
        DataError: the images cannot be divided like this.
    """
    if not asked.anew:
        return splits
    _check_test(splits, asked)
    splits = _grouped(splits, asked.group)
    mixed = asked.folds is not None or splits.held_out is not None
    pool = pooled((splits.train, splits.eval) if mixed else (splits.train,))
    _check_groups(splits, pool, mixed=mixed)
    images = Images(pool.names, pool.labels, pool.groups, splits.classes, task, asked)
    whole = range(len(pool)) if splits.held_out else range(len(splits.train))
    test = images.tested(_drawn_from(splits, whole), whole, keep=2 if mixed else 1)
    evaluated = images.evaluated(test, splits.held_out.fraction if splits.held_out else None)
    train = Numbers(p for p in range(len(pool)) if p not in test and p not in evaluated)
    if not train:
        raise DataError("data.test and the eval split leave no train image; write less of them")
    old = splits.held_out.note if splits.held_out else None
    notes = [note for note in splits.notes if note != old]
    parts = {"train": train, "eval": Numbers(sorted(evaluated)), "test": Numbers(sorted(test))}
    changed = {name: part(pool, chosen) for name, chosen in parts.items() if chosen}
    plain = each_split(splits, lambda split: replace(split, columns={}))
    return replace(
        plain,
        train=changed["train"],
        eval=changed.get("eval", plain.eval),
        test=changed.get("test", plain.test),
        notes=(*notes, *images.notes(splits, parts)),
        held_out=None,
    )


def _check_test(splits: Splits, asked: Asked) -> None:
    """Check that a fraction fits the other splits.

    Raises:
        DataError: it does not.
    """
    if asked.test is None:
        return
    if splits.test is not None:
        raise DataError(
            f"data.test must be left out for a dataset with a test split of its own, got "
            f"{asked.test}; leave it out"
        )
    evaluated = splits.held_out.fraction if splits.held_out and not asked.folds else 0.0
    if asked.test + evaluated >= 1:
        raise DataError(
            f"data.test and data.fraction must leave train images, got {asked.test} and "
            f"{evaluated}; write data.test = 0.2, for example"
        )


def _grouped(splits: Splits, group: str | None) -> Splits:
    """The splits with the group of each image.

    Raises:
        DataError: an image has none.
    """
    if group is None:
        return splits
    there = parts_of(splits)
    names = Names(name for split in there.values() for name in split.names)
    if is_pattern(group):
        every = found_in_names(names, group)
    else:
        values = Names(value for split in there.values() for value in split.columns[group])
        every = found_in_column(names, values, group)
    start = 0
    for name, split in there.items():
        there[name] = replace(split, groups=every[start : start + len(split)])
        start += len(split)
    return replace(splits, train=there["train"], eval=there["eval"], test=there.get("test"))


def _check_groups(splits: Splits, pool: Split, *, mixed: bool) -> None:
    """Check that no group is in two splits that the dataset has made. ``mixed``: whether train and
    eval are one, the ``pool``, which is divided anew.

    Raises:
        DataError: one is.
    """
    there = parts_of(splits)
    if mixed:
        there = {"train": pool, **{name: own for name, own in there.items() if name == "test"}}
    check_apart({name: own.groups for name, own in there.items() if own.groups is not None})


def _drawn_from(splits: Splits, whole: Sequence[int]) -> Sequence[int]:
    """The positions that a fraction of test images is drawn from: of ``whole``, those whose group
    is not in the eval split of the dataset, too. So they are the same for all folds, and without
    folds.
    """
    train, evaluated = splits.train.groups, splits.eval.groups
    if splits.held_out is not None or train is None or evaluated is None:
        return whole
    others = {*evaluated}
    return Numbers(p for p in whole if train[p] not in others)
