"""The classes of both splits: do they fit together, and what looks odd about them? A recipe says
what becomes of a class of which one split has no images.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from tlf.components import Split, Splits
from tlf.data.inspection.readable import MissingInEval, UnknownInEval, subset
from tlf.data.listing.compact import alike
from tlf.data.splits import each_split, listed, too_few_classes
from tlf.errors import DataError
from tlf.tasks import Task

_NO_LABEL = ("-1", "nan", "null", "<na>")
"""Class names that tables often have where an image has no label."""

_SEPARATORS = (";", "|", ",")
"""What tables write between the labels of one image."""

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
    train, evaluated, tested = _counts(splits, task)
    lacking = {name: train[name] for name in train if train[name] and not evaluated[name]}
    strange = {name: evaluated[name] for name in train if evaluated[name] and not train[name]}
    untrained = {name: tested[name] for name in train if tested[name] and not train[name]}
    problems = [] if missing == "allow" else _lacking(lacking)
    problems += [] if unknown == "skip" else _unknown({"eval": strange, "test": untrained})
    if problems:
        raise DataError("\n".join([*problems, *_joined(splits.classes)]))
    notes = list(splits.notes)
    if gone := {*strange, *untrained}:
        before, splits = splits, without_classes(splits, gone, task)
        notes += _left_out("eval", strange, before.eval, splits.eval)
        if before.test is not None and splits.test is not None:
            notes += _left_out("test", untrained, before.test, splits.test)
    if lacking:
        notes.append(
            f"eval has no images of {_counted(lacking, 'train')}: no figure is about these"
        )
    untested = {name: train[name] for name in train if train[name] and not tested[name]}
    if splits.test is not None and untested:
        notes.append(
            f"test has no images of {_counted(untested, 'train')}: no figure of it is about these"
        )
    return replace(splits, notes=tuple(notes))


def _lacking(lacking: Mapping[str, int]) -> list[str]:
    if not lacking:
        return []
    return [
        f"eval lacks {_counted(lacking, 'train')}; add eval images, or write "
        'data.missing_in_eval = "allow" to train such classes and not evaluate them'
    ]


def _unknown(found: Mapping[str, Mapping[str, int]]) -> list[str]:
    """A sentence for each split with classes that train lacks: split → class → images."""
    return [
        f"train lacks {_counted(strange, split_name)}; add train images, or write "
        f'data.unknown_in_eval = "skip" to leave these {split_name} images out'
        for split_name, strange in found.items()
        if strange
    ]


def _left_out(
    split_name: str, strange: Mapping[str, int], before: Split, after: Split
) -> Iterator[str]:
    """What became of the images of classes that train lacks."""
    if not strange:
        return
    gone, which = (
        len(before) - len(after),
        f"classes that train lacks: {_counted(strange, split_name)}",
    )
    if gone:
        yield f"{split_name}: left out {gone} of {len(before)} images, of {which}"
    else:
        yield f"{split_name}: images stay without their labels of {which}"


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
    return [*notes, *_joined(splits.classes), *_imbalance(counts, remedy)]


def _joined(classes: Sequence[str]) -> list[str]:
    """A note where the name of a class joins those of others, as tables of several labels do.

    >>> _joined(["cat", "dog;fox", "dog"])
    []
    """
    known = {*classes}
    parts = ((name, s, {*map(str.strip, name.split(s))}) for name in classes for s in _SEPARATORS)
    found = next(((name, s) for name, s, each in parts if len(each) > 1 and each <= known), None)
    if found is None:
        return []
    return [
        f"the class {found[0]!r} joins other classes; where an image may have several, write "
        f'task = "multi-label" and, for a CSV file or shards, data.label_separator = "{found[1]}"'
    ]


def _imbalance(counts: Mapping[str, int], remedy: str | None) -> list[str]:
    least, most = (choose(counts, key=counts.__getitem__) for choose in (min, max))
    if remedy is None or counts[most] < _IMBALANCE * counts[least]:
        return []
    count = f"{counts[least]} train image{'' if counts[least] == 1 else 's'}"
    return [
        f"the classes are imbalanced: {least!r} has {count}, {most!r} has {counts[most]}; "
        f"to count all classes the same, write {remedy}"
    ]


def _counts(splits: Splits, task: Task) -> tuple[dict[str, int], ...]:
    """Class → its number of images, in the train split, the eval split and the test split."""
    every = (splits.train, splits.eval, splits.test)
    labels = [() if split is None else split.labels for split in every]
    counts = (task.class_counts(own, len(splits.classes)) for own in labels)
    return tuple(dict(zip(splits.classes, own, strict=True)) for own in counts)


def without_classes(splits: Splits, names: Iterable[str], task: Task) -> Splits:
    """The splits without some classes.

    Raises:
        DataError: too few classes remain, or no eval image.
    """
    kept = [k for k, name in enumerate(splits.classes) if name not in names]
    classes = tuple(splits.classes[k] for k in kept)
    if problems := too_few_classes(classes, "train"):
        raise DataError(problems[0])
    left = each_split(splits, lambda split: _among(split, kept, task))
    for name, split in (("eval", left.eval), ("test", left.test)):
        if split is not None and not len(split):
            raise DataError(
                f"{name} must have images of the classes of train, {listed(classes)}, got none; "
                "add some"
            )
    return replace(left, classes=classes)


def _among(split: Split, kept: Sequence[int], task: Task) -> Split:
    labels = task.among(split.labels, kept)
    left = subset(split, labels)
    return replace(left, labels=alike(split.labels, labels.values()))


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
