"""Data: what a check of the images has found. The page of a run shows it, and that of a check."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.thumbnails import thumbnails

if TYPE_CHECKING:
    from tlf.checks.findings import Duplicates, Findings, ImageRef
    from tlf.reports.report import Report

MOST = 200
"""So many findings of a kind are listed at most."""

MOST_THUMBNAILS = 200
BYTES = 2_000_000
"""Of all thumbnails of the panel together, at most."""


def panel(report: "Report") -> Panel | None:
    """The findings of a report; None where its images were not checked."""
    findings, read = report.findings, report.read
    if findings is None:
        return None
    if read is None:
        return findings_panel(findings)
    return findings_panel(findings, lambda image: read(image.index), splits=("eval",))


def findings_panel(
    findings: "Findings",
    read: "Callable[[ImageRef], bytes] | None" = None,
    splits: Sequence[str] = ("train", "eval"),
) -> Panel:
    """Duplicates, leaks, labels that look wrong, classes that look alike, unreadable images.

    Parameters:
        findings: what was found.
        read: the bytes of an image; None: no thumbnails.
        splits: whose images can be read.
    """
    shown = [*_shown(findings)]
    html = render(
        "findings.html",
        findings=findings,
        leaks=findings.leaks,
        duplicates=[group for group in findings.duplicates if not group.across_splits],
        classes=class_rows(findings),
        thumbnail=_thumbnails(shown, read, splits).get,
        most=MOST,
        count_of=_count_of,
    )
    return Panel("findings", "Data", html)


def class_rows(findings: "Findings") -> list[tuple[str, list[int]]]:
    """Each class and its images in each split; the rarest of the first split first."""
    splits = [*findings.class_counts]
    names = dict.fromkeys(name for counts in findings.class_counts.values() for name in counts)
    rows = [(name, [findings.class_counts[one].get(name, 0) for one in splits]) for name in names]
    return sorted(rows, key=lambda row: row[1])


def _shown(findings: "Findings") -> "Iterator[ImageRef]":
    """The images that the panel lists, in the order in which they deserve a thumbnail."""
    for group in findings.leaks[:MOST]:
        yield from group.images
    for suspect in findings.suspects[:MOST]:
        yield suspect.image
        yield from suspect.neighbours
    for group in findings.duplicates[:MOST]:
        yield from group.images
    for odd in findings.odd_sizes[:MOST]:
        yield odd.image


def _thumbnails(
    images: "Sequence[ImageRef]",
    read: "Callable[[ImageRef], bytes] | None",
    splits: Sequence[str],
) -> "dict[ImageRef, str | None]":
    """Image → its thumbnail, of the first ones."""
    if read is None:
        return {}
    chosen = [one for one in dict.fromkeys(images) if one.split in splits][:MOST_THUMBNAILS]
    made = thumbnails([partial(read, one) for one in chosen], BYTES)
    return dict(zip(chosen, made, strict=True))


def _count_of(groups: "Sequence[Duplicates]") -> str:
    images = sum(len(group.images) for group in groups)
    return f"{images:,} images in {len(groups):,} group{'' if len(groups) == 1 else 's'}"
