"""Corrected labels and images to leave out, as files of fixes say, applied to what a dataset has
found. No image file is changed.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from tlf.components import Labelled, Split, Splits
from tlf.data.classes import without_classes
from tlf.data.fixes_file import Fix, check_lines, read_fixes
from tlf.data.inspection.readable import subset
from tlf.data.listing.compact import alike
from tlf.data.listing.lookup import Lookup, found_in, position
from tlf.data.splits import failure, listed, parts_of
from tlf.errors import nearest
from tlf.runtime.text import printable
from tlf.tasks import Task, task_of


def with_fixes(
    splits: Splits, files: str | Sequence[str], task: Task, *, moved: bool = False
) -> Splits:
    """Splits with the labels and without the images that a file of fixes says, or several, one
    after the other.

    Parameters:
        splits: the images.
        files: the files.
        task: what labels are.
        moved: whether an image may be in another split than a row says, as the recipe deals images
            into other folds, for example.

    Raises:
        DataError: a file cannot be read, or a line of it does not fit the images.
    """
    for file in [files] if isinstance(files, str) else files:
        splits = _fixed(splits, file, task, moved=moved)
    return splits


def labelled_with_fixes(
    found: Labelled, files: str | Sequence[str], split: str | None = None
) -> Labelled:
    """The images of one split with the labels, and without the images, that files of fixes say. A
    note says what each has changed.

    Parameters:
        found: the images.
        files: the files.
        split: the split whose rows are about these images; None: a row is about the image of its
            path, whatever the split is called.

    Raises:
        DataError: a file cannot be read, or a line of it does not fit its image.
    """
    for file in [files] if isinstance(files, str) else files:
        found = _one_fixed(found, file, split)
    return found


def notes_of_fixes(splits: Splits, files: str | Sequence[str]) -> tuple[str, ...]:
    """What files of fixes have changed in splits, as their notes say."""
    begins = tuple(f"{file} " for file in ([files] if isinstance(files, str) else files))
    return tuple(note for note in splits.notes if note.startswith(begins))


def _one_fixed(found: Labelled, file: str, split: str | None) -> Labelled:
    task, fixes = task_of(found.images.labels), read_fixes(file)
    names = Lookup(found.images.names, (fix.path for fix in fixes.values()))
    classes = [*map(printable, found.classes)]
    labels: dict[str, dict[int, Any]] = {}
    left_out: dict[str, set[int]] = {}
    problems, others = [], 0
    for where, read in fixes.items():
        fix, index = _with_classes(read, classes, task), names.find(read.path)
        if split not in (None, fix.split):
            others += isinstance(index, int)
            continue
        if isinstance(index, str):  # it is of the other split, unless several have its name
            problems += [f"{where}: {index}"] if read.path.strip() in names.doubled else []
            continue
        label = task.names(found.images.labels[index], classes)
        new_names = task.named(fix.new_label) if fix.new_label else ()
        classes += [n for n in dict.fromkeys(new_names) if n not in classes]  # new to this split
        new = _new_label(fix, classes, task)
        problems += [f"{where}: {problem}" for problem in _stale(fix, label, classes, new)]
        if fix.leave_out:
            left_out.setdefault(fix.split, set()).add(index)
        elif fix.new_label not in ("", label):
            labels.setdefault(fix.split, {})[index] = new
    check_lines(file, problems)
    changed = _relabelled(found.images, {i: new for of in labels.values() for i, new in of.items()})
    images = _without(changed, {index for of in left_out.values() for index in of})
    did = _did(labels, left_out) if labels or left_out else "changes none of these images"
    note = f"{file} {did}{_of_others(others)}"
    every = (*found.classes, *classes[len(found.classes) :])
    return replace(found, images=images, classes=every, notes=(*found.notes, note))


def _of_others(rows: int) -> str:
    """What is said of rows that other images have which are called the same.

    >>> _of_others(0), _of_others(2)
    ('', '; 2 of its rows are about images of other splits that are called the same')
    """
    if not rows:
        return ""
    one, several = "is about an image of another split", "are about images of other splits"
    are = f"{one} that is" if rows == 1 else f"{several} that are"
    return f"; {rows} of its rows {are} called the same"


def _fixed(splits: Splits, file: str, task: Task, *, moved: bool) -> Splits:
    parts = parts_of(splits)
    fixes = read_fixes(file)
    paths = {fix.path for fix in fixes.values()}
    names = {part: Lookup(split.names, paths) for part, split in parts.items()}
    classes = {printable(name): name for name in splits.classes}
    found: dict[tuple[str, int], str] = {}
    labels: dict[str, dict[int, Any]] = {part: {} for part in parts}
    left_out: dict[str, set[int]] = {part: set() for part in parts}
    problems = []
    for where, read in fixes.items():
        part = found_in(names, read.split, read.path) if moved else read.split
        fix = _with_classes(replace(read, split=part), classes, task)
        index = position(names, part, fix.path)
        if isinstance(index, str):
            problems.append(f"{where}: {index}")
            continue
        split = parts[part]
        earlier = found.setdefault((fix.split, index), where)
        if earlier != where:
            problems.append(f"{where}: {fix.path} is in {earlier}, too; remove one of them")
        label = printable(task.names(split.labels[index], splits.classes))
        new = _new_label(fix, classes, task)
        problems += [f"{where}: {problem}" for problem in _stale(fix, label, classes, new)]
        if fix.leave_out:
            left_out[fix.split].add(index)
        elif fix.new_label not in ("", label):
            labels[fix.split][index] = new
    check_lines(file, problems)
    _check_rest(file, parts, left_out)
    fixed: dict[str, Any] = {
        part: _without(_relabelled(split, labels[part]), left_out[part])
        for part, split in parts.items()
    }
    note = f"{file} {_did(labels, left_out)}"
    changed = replace(splits, **fixed, notes=(*splits.notes, note))
    return _without_emptied(splits, changed, file, task)


def _with_classes(fix: Fix, classes: Collection[str], task: Task) -> Fix:
    """A row whose classes have no blanks around them, unless a class of the dataset has them. The
    classes of its label are in the order of the task.
    """
    label, new_label = (n if n in classes else n.strip() for n in (fix.label, fix.new_label))
    with suppress(ValueError):  # of an unknown class
        label = task.names(task.label(label, [*classes]), [*classes])
    return replace(fix, label=label, new_label=new_label)


def _new_label(fix: Fix, classes: Collection[str], task: Task) -> object:
    """The label that a row gives its image; None where there is no such class."""
    with suppress(ValueError):
        return task.label(fix.new_label, [*classes])
    return None


def _stale(fix: Fix, label: str, classes: Collection[str], new: object) -> Iterable[str]:
    """Why a row does not fit its image. ``new``: the label that it gives."""
    if not fix.label and label:
        yield "it has no label; write the class that the dataset gives the image"
    elif fix.label != label:
        yield f"{fix.path} has the label {label!r}, the row says {fix.label!r}"
    if fix.new_label and new is None:
        guess = nearest(fix.new_label, list(classes))
        yield f"new_label must be a class of the dataset, got {fix.new_label!r}; {guess}"


def _check_rest(file: str, parts: Mapping[str, Split], left_out: Mapping[str, set[int]]) -> None:
    """Check that images remain in both splits."""
    empty = [part for part, split in parts.items() if len(left_out[part]) == len(split)]
    if empty:
        raise failure(file, [f"it leaves out every image of the {part} split" for part in empty])


def _relabelled(split: Split, new: Mapping[int, Any]) -> Split:
    if not new:
        return split
    labels = (new.get(index, label) for index, label in enumerate(split.labels))
    return replace(split, labels=alike(split.labels, labels))


def _without(split: Split, left_out: set[int]) -> Split:
    if not left_out:
        return split
    return subset(split, (index for index in range(len(split)) if index not in left_out))


def _did(labels: Mapping[str, dict[int, Any]], left_out: Mapping[str, set[int]]) -> str:
    """What a file has changed.

    >>> _did({"train": {3: "ant"}, "eval": {}}, {"train": {0, 1}, "eval": {2}})
    'corrects 1 label (train 1) and leaves out 3 images (train 2, eval 1)'
    """
    parts = []
    for verb, noun, changed in (("corrects", "label", labels), ("leaves out", "image", left_out)):
        counts = {part: len(each) for part, each in changed.items() if each}
        if total := sum(counts.values()):
            where = ", ".join(f"{part} {count}" for part, count in counts.items())
            parts.append(f"{verb} {total} {noun}{'' if total == 1 else 's'} ({where})")
    return " and ".join(parts) or "changes nothing: no row has a new_label or leave_out"


def _without_emptied(before: Splits, after: Splits, file: str, task: Task) -> Splits:
    """The splits without the classes that have no image any more."""

    def images(of: Splits) -> list[int]:
        counts = (
            task.class_counts(split.labels, len(of.classes)) for split in parts_of(of).values()
        )
        return [*map(sum, zip(*counts, strict=True))]

    had, have = images(before), images(after)
    gone = [name for name, b, a in zip(before.classes, had, have, strict=True) if b and not a]
    if not gone:
        return after
    left = without_classes(after, gone, task)
    note = f"{file} leaves no image of {listed(map(printable, gone))}: no class has this name"
    return replace(left, notes=(*left.notes, note))
