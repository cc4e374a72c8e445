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


def _redundant(findings: Findings, splits: Splits) -> set[ImageRef]:
    """The train images that may be left out: eval has the same bytes under the same label, and each
    class of theirs keeps other train images.
    """
    copies = {
        image
        for group in findings.leaks
        if group.exact and not group.across_classes
        for image in group.images
        if image.split == "train"
    }
    task, counts = task_of(splits.train.labels), findings.class_counts.get("train", {})

    def of_classes(images: Iterable[ImageRef]) -> dict[str, int]:
        labels = [task.label(image.label, splits.classes) for image in images]
        own = task.class_counts(labels, len(splits.classes))
        return {name: n for name, n in zip(splits.classes, own, strict=True) if n}

    emptied = {name for name, lost in of_classes(copies).items() if lost >= counts.get(name, 0)}
    return {image for image in copies if emptied.isdisjoint(of_classes([image]))}


def _of_group(group: Duplicates, redundant: set[ImageRef]) -> Iterator[Fix]:
    """A row for each image of the group but the first of those that stay."""
    order = sorted(group.images, key=lambda image: image.split == "train")  # eval images stay
    for image in order[1:] if not group.across_classes else order:
        other = _other(image, group)
        what = "the same bytes as" if group.exact else "nearly the same as"
        label = "" if other.label == image.label else f", which is labelled {other.label or NONE}"
        reason = f"{what} {other.split} image {other.name}{label}"
        yield _row(image, reason, "yes" if image in redundant else "")


def _other(image: ImageRef, group: Duplicates) -> ImageRef:
    """The image of the group that tells most about this one: of the other split, of another class,
    or the first.
    """
    others = [other for other in group.images if other != image]
    return min(others, key=lambda o: (o.split == image.split, o.label == image.label))
