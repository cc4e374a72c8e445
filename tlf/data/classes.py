"""The classes of both splits: do they fit together, and what looks odd about them? A recipe says
what becomes of a class of which one split has no images.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tlf.components import Split, Splits
from tlf.data.inspection.readable import MissingInEval, ReadSubset, UnknownInEval
from tlf.data.splits import listed, too_few_classes
from tlf.errors import DataError
from tlf.tasks import Task

_NO_LABEL = ("-1", "nan", "null", "<na>")
"""Class names that tables often have where an image has no label."""

_IMBALANCE = 10
"""From this ratio on, it is noted that classes have different numbers of images."""


def fit_classes(
    splits: Splits, task: Task, missing: MissingInEval, unknown: UnknownInEval
) -> Splits:
    """Splits whose eval images are all of classes that have train images.

    Parameters:
        splits: what a dataset has built.
        task: what labels are.
        missing: what a class without eval images does.
        unknown: what eval images of a class without train images do.

    Raises:
        DataError: names the classes that one of the splits lacks, and the key to write.
    """
    train, evaluated = _counts(splits, task)
    lacking = {name: train[name] for name in train if train[name] and not evaluated[name]}
    strange = {name: evaluated[name] for name in train if evaluated[name] and not train[name]}
    problems = []
    if lacking and missing == "error":
        problems.append(
            f"eval lacks {_counted(lacking, 'train')}; add eval images, or write "
            'data.missing_in_eval = "allow" to train such classes and not evaluate them'
        )
    if strange and unknown == "error":
        problems.append(
            f"train lacks {_counted(strange, 'eval')}; add train images, or write "
            'data.unknown_in_eval = "skip" to leave these eval images out'
        )
    if problems:
        raise DataError("\n".join(problems))
    notes = list(splits.notes)
    if strange:
        before, splits = len(splits.eval), without_classes(splits, strange, task)
        gone = before - len(splits.eval)
        which = f"classes that train lacks: {_counted(strange, 'eval')}"
        notes.append(
            f"eval: left out {gone} of {before} images, of {which}"
            if gone
            else f"eval: images stay without their labels of {which}"
        )
    if lacking:
        notes.append(
            f"eval has no images of {_counted(lacking, 'train')}: no figure is about these"
        )
    return replace(splits, notes=tuple(notes))


def class_notes(splits: Splits, task: Task, remedy: str | None) -> list[str]:
    """What looks odd about classes: names that differ by upper and lower case only, or that mean
    "no label", and numbers of train images that differ much.

    Parameters:
        splits: the images.
        task: what labels are.
        remedy: what to write against imbalance; None where the loss balances classes.
    """
    alike: dict[str, list[str]] = {}
    for name in splits.classes:
        alike.setdefault(name.casefold(), []).append(name)
    notes = [
        f"classes that differ by upper and lower case only: {listed(names)}"
        for names in alike.values()
        if len(names) > 1
    ]
    counts = {name: count for name, count in _counts(splits, task)[0].items() if count}
    notes += [
        f"a class is called {_counted({name: count}, 'train')}; if this means that an image has no "
        "label, leave such images out"
        for name, count in counts.items()
        if name.strip().casefold() in _NO_LABEL
    ]
    return [*notes, *_imbalance(counts, remedy)]


def _imbalance(counts: Mapping[str, int], remedy: str | None) -> list[str]:
    least, most = (choose(counts, key=counts.__getitem__) for choose in (min, max))
    if remedy is None or counts[most] < _IMBALANCE * counts[least]:
        return []
    count = f"{counts[least]} train image{'' if counts[least] == 1 else 's'}"
    return [
        f"the classes are imbalanced: {least!r} has {count}, {most!r} has {counts[most]}; "
        f"to count all classes the same, write {remedy}"
    ]


def _counts(splits: Splits, task: Task) -> tuple[dict[str, int], dict[str, int]]:
    """Class → its number of images, in the train split and in the eval split."""
    train, evaluated = (
        dict(zip(splits.classes, task.class_counts(split.labels, len(splits.classes)), strict=True))
        for split in (splits.train, splits.eval)
    )
    return train, evaluated


def without_classes(splits: Splits, names: Iterable[str], task: Task) -> Splits:
    """The splits without some classes.

    Raises:
        DataError: too few classes remain, or no eval image.
    """
    kept = [k for k, name in enumerate(splits.classes) if name not in names]
    classes = tuple(splits.classes[k] for k in kept)
    if problems := too_few_classes(classes, "train"):
        raise DataError(problems[0])
    train, evaluated = (_among(split, kept, task) for split in (splits.train, splits.eval))
    if not len(evaluated):
        raise DataError(
            f"eval must have images of the classes of train, {listed(classes)}, got none; add some"
        )
    return replace(splits, train=train, eval=evaluated, classes=classes)


def _among(split: Split, kept: Sequence[int], task: Task) -> Split:
    labels = task.among(split.labels, kept)
    positions = tuple(labels)
    names = tuple(split.names[i] for i in positions)
    return Split(names, tuple(labels.values()), ReadSubset(split, positions))


def _counted(counts: Mapping[str, int], split_name: str, most: int = 10) -> str:
    """Classes and their numbers of images.

    >>> _counted({"ant": 1, "bee": 20}, "train")
    "'ant' (1 train image), 'bee' (20)"
    """
    first, *rest = list(counts.items())[:most]
    plural = "" if first[1] == 1 else "s"
    shown = [f"{first[0]!r} ({first[1]} {split_name} image{plural})"]
    shown += [f"{name!r} ({count})" for name, count in rest]
    more = f" and {len(counts) - most} more" if len(counts) > most else ""
    return ", ".join(shown) + more
