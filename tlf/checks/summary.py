"""What a check has found, in lines of text: how many of each kind, and the first by name."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from tlf.checks.checked import Checked
from tlf.checks.findings import NONE, Duplicates, Findings, ImageRef
from tlf.checks.leaks import leak_sentence

_SHOWN = 5
"""Findings of a kind that are named."""


def lines(checked: Checked) -> Iterator[str]:
    """The lines of a summary."""
    findings = checked.findings
    counts = ", ".join(f"{count:,} {split}" for split, count in findings.images.items())
    classes = len({name for each in findings.class_counts.values() for name in each})
    yield f"checked   {checked.source}: {counts} images of {_counted(classes, 'class')}"
    if (test := checked.splits.test) is not None:
        yield f"test      {len(test):,} images: not looked at, so that no decision sees them"
    yield f"features  {checked.backbone}"
    yield ""
    if sentence := leak_sentence(findings):
        yield sentence
    sections = [*_sections(findings)]
    for title, items in sections:
        yield f"{title}: {len(items):,}"
        yield from (f"  {item}" for item in items[:_SHOWN])
        if (more := len(items) - _SHOWN) > 0:
            yield f"  … and {more:,} more"
    if not sections:
        yield "Nothing was found: no duplicates, no suspicious labels, no odd sizes."
    yield from (f"note: {note}" for note in findings.notes)


def _sections(findings: Findings) -> Iterator[tuple[str, Sequence[str]]]:
    """The title and the items of each kind that was found, the worst first."""
    within = [group for group in findings.duplicates if not group.across_splits]
    mixed = [group for group in within if group.across_classes]
    plain = [group for group in within if not group.across_classes]
    every = {
        "unreadable images": [
            f"{name} ({split}): {why}" for split, name, why in findings.unreadable
        ],
        "classes without images in one split": [*_lacking(findings)],
        "groups of images that train and eval share": [*map(_group, findings.leaks)],
        "groups of duplicates with different labels": [*map(_group, mixed)],
        "groups of duplicates within a split and a class": [*map(_group, plain)],
        "labels that look wrong": [
            f"{_named(one.image)}: {findings.doubt(one)} "
            f"({one.proposed_probability:.2f} against {one.own_probability:.2f})"
            for one in findings.suspects
        ],
        "pairs of classes that can hardly be told apart": [
            f"{pair.classes[0]} and {pair.classes[1]}: {pair.error:.0%} of {pair.images:,} images"
            for pair in findings.inseparable
        ],
        "odd sizes": [
            f"{_plain(odd.image)}: {odd.width} × {odd.height}, {odd.why}"
            for odd in findings.odd_sizes
        ],
    }
    yield from ((title, items) for title, items in every.items() if items)


def _lacking(findings: Findings) -> Iterable[str]:
    """The classes that have images in one split only."""
    names = dict.fromkeys(name for each in findings.class_counts.values() for name in each)
    for name in names:
        counts = {split: each.get(name, 0) for split, each in findings.class_counts.items()}
        others = [f"{count:,} {split}" for split, count in counts.items() if count]
        missing = [split for split, count in counts.items() if not count]
        if not others:
            yield f"{name}: no images"
        elif missing:
            yield f"{name}: no {' and no '.join(missing)} images, {', '.join(others)}"


def _group(group: Duplicates) -> str:
    """The images of a group, and how equal they are; those of equal bytes come together.

    >>> from tlf.checks.findings import Duplicates, ImageRef
    >>> one, other = ImageRef("train", 0, "a.jpg", "ant"), ImageRef("eval", 1, "b.jpg", "bee")
    >>> _group(Duplicates((one, other), equal=(0, 0), similarity=1.0))
    'a.jpg (train, ant) = b.jpg (eval, bee)'
    """
    numbers = dict(zip(group.images, group.equal, strict=True))
    copied = {image for copies in group.copies for image in copies}
    first = _one_of_each_first(sorted(group.images, key=lambda image: image not in copied))[:3]
    places = [numbers[image] for image in first]
    first.sort(key=lambda image: places.index(numbers[image]))
    name = _named if group.across_classes else _plain
    text = name(first[0])
    for before, image in pairwise(first):
        text += f" {'=' if numbers[before] == numbers[image] else '≈'} {name(image)}"
    return text + (f" and {more:,} more" if (more := len(group.images) - 3) > 0 else "")


def _one_of_each_first(images: Sequence[ImageRef]) -> list[ImageRef]:
    """The images, one of each split and label before the others."""
    seen: Counter[tuple[str, str]] = Counter()
    rank = {}
    for image in images:
        rank[image] = seen[image.split, image.label]
        seen[image.split, image.label] += 1
    return sorted(images, key=rank.__getitem__)


def _named(image: ImageRef) -> str:
    return f"{image.name} ({image.split}, {image.label or NONE})"


def _plain(image: ImageRef) -> str:
    return f"{image.name} ({image.split})"


def _counted(count: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"
