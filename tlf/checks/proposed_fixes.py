"""The rows of the fixes.csv that a check writes: every image that it names, with what was found.

A row changes something only where no person has to look: an image that cannot be read, and a train
image that is an eval image byte for byte, with the same label. All other rows change nothing until
a person fills them in.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tlf.checks.checked import Checked
from tlf.checks.findings import NONE, Duplicates, Findings, ImageRef
from tlf.components import Splits
from tlf.data.fixes_file import Fix
from tlf.tasks import task_of


def proposed_fixes(checked: Checked) -> list[Fix]:
    """A row for each image that a check names."""
    rows: dict[tuple[str, str], Fix] = {}
    for fix in _all(checked):
        earlier = rows.get((fix.split, fix.path))
        if earlier is not None:
            fix = replace(
                earlier,
                leave_out=earlier.leave_out or fix.leave_out,
                reason=f"{earlier.reason}; {fix.reason}",
            )
        rows[fix.split, fix.path] = fix
    return [*rows.values()]


def _all(checked: Checked) -> Iterator[Fix]:
    findings = checked.findings
    for image in checked.unreadable:
        reason = f"cannot be read: {image.why}"
        yield Fix(image.split, image.name, image.label, leave_out="yes", reason=reason)
    redundant = _redundant(findings, checked.splits)
    for group in sorted(findings.duplicates, key=lambda group: not group.across_splits):
        yield from _of_group(group, redundant)
    for suspect in findings.suspects:
        reason = (
            f"{findings.doubt(suspect)} (probability {suspect.proposed_probability:.2f}, of its "
            f"own label {suspect.own_probability:.2f})"
        )
        yield _row(suspect.image, reason)
    for odd in findings.odd_sizes:
        yield _row(odd.image, f"{odd.width} × {odd.height} pixels: {odd.why}")


def _row(image: ImageRef, reason: str, leave_out: str = "") -> Fix:
    return Fix(image.split, image.name, image.label, leave_out=leave_out, reason=reason)


def _redundant(findings: Findings, splits: Splits) -> dict[ImageRef, ImageRef]:
    """The train images that may be left out, with the eval image that has the same bytes and the
    same label: each class of theirs keeps other train images.
    """
    copies = {
        image: other
        for group in findings.leaks
        for equal in group.copies
        for image, other in _train_copies(equal)
    }
    task, counts = task_of(splits.train.labels), findings.class_counts.get("train", {})

    def of_classes(images: Iterable[ImageRef]) -> dict[str, int]:
        labels = [task.label(image.label, splits.classes) for image in images]
        own = task.class_counts(labels, len(splits.classes))
        return {name: n for name, n in zip(splits.classes, own, strict=True) if n}

    emptied = {name for name, lost in of_classes(copies).items() if lost >= counts.get(name, 0)}
    return {
        image: other for image, other in copies.items() if emptied.isdisjoint(of_classes([image]))
    }


def _train_copies(equal: Iterable[ImageRef]) -> Iterator[tuple[ImageRef, ImageRef]]:
    """The train images of a set of equal bytes, each with the first eval image of its label."""
    evaluated: dict[str, ImageRef] = {}
    for image in equal:
        if image.split == "eval":
            evaluated.setdefault(image.label, image)
    for image in equal:
        if image.split == "train" and image.label in evaluated:
            yield image, evaluated[image.label]


def _of_group(group: Duplicates, redundant: dict[ImageRef, ImageRef]) -> Iterator[Fix]:
    """A row for each image of the group but the first of those that stay."""
    numbers = dict(zip(group.images, group.equal, strict=True))
    order = sorted(group.images, key=lambda image: image.split == "train")  # eval images stay
    for image in order[1:] if not group.across_classes else order:
        other = redundant.get(image) or _other(image, numbers)
        same = numbers[image] == numbers[other]
        what = "the same bytes as" if same else "nearly the same as"
        label = "" if other.label == image.label else f", which is labelled {other.label or NONE}"
        reason = f"{what} {other.split} image {other.name}{label}"
        yield _row(image, reason, "yes" if image in redundant else "")


def _other(image: ImageRef, numbers: dict[ImageRef, int]) -> ImageRef:
    """The image of a group that tells most about this one: of the other split, of the same bytes,
    of another class, or the first.

    Parameters:
        image: an image of the group.
        numbers: image → the number of its bytes, for all of the group.
    """
    own = numbers[image]

    def rank(other: tuple[ImageRef, int]) -> tuple[bool, bool, bool]:
        ref, number = other
        return ref.split == image.split, number != own, ref.label == image.label

    return min((other for other in numbers.items() if other[0] != image), key=rank)[0]
