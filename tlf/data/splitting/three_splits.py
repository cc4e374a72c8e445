"""Train, eval and test as a recipe asks for them, of what a dataset has built."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from sys import intern

from tlf.components import Splits
from tlf.data.listing.compact import Names, Numbers
from tlf.data.splits import each_split, parts_of
from tlf.data.splitting.groups import check_apart, found_in_column, found_in_names, is_pattern
from tlf.data.splitting.images import Asked, Images
from tlf.data.splitting.pool import part, pooled
from tlf.errors import DataError
from tlf.tasks import Task

Groups = Mapping[str, Sequence[str]]
"""Split → the group of each of its images; empty where there are no groups."""


def divided(splits: Splits, asked: Asked, task: Task) -> Splits:
    """The splits as a recipe asks for them. Where it asks for nothing, they stay as they are.

    Raises:
        DataError: the images cannot be divided like this.
    """
    if not asked.anew:
        return splits
    _check_test(splits, asked)
    groups = _groups(splits, asked.group)
    mixed = asked.folds is not None or splits.held_out is not None
    _check_groups(groups, mixed=mixed)
    pool = pooled((splits.train, splits.eval) if mixed else (splits.train,))
    images = Images(
        pool.names,
        pool.labels,
        _together(groups, mixed=mixed) if groups else None,
        splits.classes,
        task,
        asked,
    )
    whole = range(len(pool)) if splits.held_out else range(len(splits.train))
    test = images.tested(_drawn_from(splits, groups, whole), whole, keep=2 if mixed else 1)
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
        groups=_of_names(images, train),
    )


def _of_names(images: Images, positions: Sequence[int]) -> dict[str, str]:
    """Image → its group. Groups have many images: each is one text."""
    if images.groups is None:
        return {}
    return {images.names[p]: intern(images.groups[p]) for p in positions}


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


def _groups(splits: Splits, group: str | None) -> Groups:
    """The group of each image.

    Raises:
        DataError: an image has none.
    """
    if group is None:
        return {}
    there = parts_of(splits)
    names = Names(name for split in there.values() for name in split.names)
    if is_pattern(group):
        every = found_in_names(names, group)
    else:
        values = Names(value for split in there.values() for value in split.columns[group])
        every = found_in_column(names, values, group)
    found, start = {}, 0
    for name, split in there.items():
        found[name] = every[start : start + len(split)]
        start += len(split)
    return found


def _together(groups: Groups, *, mixed: bool) -> Sequence[str]:
    """The groups of the images that are divided. ``mixed``: those of eval are among them."""
    return Names(chain(groups["train"], groups["eval"])) if mixed else groups["train"]


def _check_groups(groups: Groups, *, mixed: bool) -> None:
    """Check that no group is in two splits that the dataset has made. ``mixed``: whether train and
    eval are one, which is divided anew.

    Raises:
        DataError: one is.
    """
    if mixed and groups:
        groups = {
            "train": _together(groups, mixed=True),
            **{name: found for name, found in groups.items() if name == "test"},
        }
    check_apart(groups)


def _drawn_from(splits: Splits, groups: Groups, whole: Sequence[int]) -> Sequence[int]:
    """The positions that a fraction of test images is drawn from: of ``whole``, those whose group
    is not in the eval split of the dataset, too. So they are the same for all folds, and without
    folds.
    """
    if splits.held_out is not None or not groups:
        return whole
    evaluated = {*groups["eval"]}
    return Numbers(p for p in whole if groups["train"][p] not in evaluated)
