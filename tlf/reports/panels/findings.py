"""Data: what a check of the images has found. The page of a run shows it, and that of a check."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

from tlf.errors import in_shell
from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.thumbnails import MOST_THUMBNAILS, thumbnails

if TYPE_CHECKING:
    from tlf.checks.findings import Duplicates, Findings, ImageRef
    from tlf.reports.report import Content

MOST = 200
"""So many findings of a kind are listed at most."""

FIRST = 12
"""So many of them are seen at once; the others unfold."""

LARGEST = 2_000_000
"""Bytes of all thumbnails together, wherever they are shown."""
LARGEST_IN_REPORT = 400_000
"""The same, where the predicted images have thumbnails, too."""


def panel(report: "Content") -> Panel | None:
    """The findings of a report; None where its images were not checked."""
    if report.findings is None:
        return None
    recipe = in_shell(report.run.folder / "recipe.toml") if report.run else ""
    return findings_panel(report.findings, report.read_found, LARGEST_IN_REPORT, recipe)


def findings_panel(
    findings: "Findings",
    read: "Callable[[ImageRef], bytes] | None" = None,
    largest: int = LARGEST,
    recipe: str = "",
) -> Panel:
    """Duplicates, leaks, labels that look wrong, classes that look alike, unreadable images.

    Parameters:
        findings: what was found.
        read: the bytes of an image; None: no thumbnails.
        largest: the bytes of all thumbnails together, at most.
        recipe: what ``tlf check`` makes fixes.csv from, where the page does not; empty: it does.
    """
    duplicates = [group for group in findings.duplicates if not group.across_splits]
    shown = [*_shown(findings, duplicates)]
    html = render(
        "findings.html",
        findings=findings,
        leaks=findings.leaks,
        duplicates=duplicates,
        classes=class_rows(findings),
        thumbnail=_thumbnails(shown, read, largest).get,
        most=MOST,
        first=FIRST,
        count_of=_count_of,
        recipe=recipe,
    )
    return Panel("findings", "Data", html)


def class_rows(findings: "Findings") -> list[tuple[str, list[int]]]:
    """Each class and its images in each split; the rarest of the first split first."""
    splits = [*findings.class_counts]
    names = dict.fromkeys(name for counts in findings.class_counts.values() for name in counts)
    rows = [(name, [findings.class_counts[one].get(name, 0) for one in splits]) for name in names]
    return sorted(rows, key=lambda row: row[1])


def _shown(findings: "Findings", duplicates: "Sequence[Duplicates]") -> "Iterator[ImageRef]":
    """The images that the panel lists, in the order in which they deserve a thumbnail."""
    for group in findings.leaks[:MOST]:
        yield from group.images
    for suspect in findings.suspects[:MOST]:
        yield suspect.image
        yield from suspect.neighbours
    for group in duplicates[:MOST]:
        yield from group.images


def _thumbnails(
    images: "Sequence[ImageRef]",
    read: "Callable[[ImageRef], bytes] | None",
    largest: int,
) -> "dict[ImageRef, str | None]":
    """Image → its thumbnail, of the first ones."""
    if read is None:
        return {}
    uses = Counter(images)
    chosen = [*uses][:MOST_THUMBNAILS]
    made = thumbnails([partial(read, one) for one in chosen], largest)
    spent = accumulate(
        len(small or "") * uses[one] for one, small in zip(chosen, made, strict=True)
    )
    return {
        one: small
        for one, small, so_far in zip(chosen, made, spent, strict=True)
        if so_far <= largest
    }


def _count_of(groups: "Sequence[Duplicates]") -> str:
    images = sum(len(group.images) for group in groups)
    return f"{images:,} images in {len(groups):,} group{'' if len(groups) == 1 else 's'}"
