"""What to change: a row for each image that a check names, where a person decides what becomes of
it, and downloads the decisions as a file for ``data.fixes``.
"""

from functools import partial
from hashlib import sha256

from tlf.checks.checked import Checked
from tlf.checks.findings import ImageRef
from tlf.checks.proposed_fixes import proposed_fixes
from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.thumbnails import MOST_THUMBNAILS, thumbnails

MOST = 500
"""So many rows are listed at most; fixes.csv has all of them."""
BYTES = 1_500_000
"""Of all thumbnails of the panel together, at most."""


def fixes_panel(checked: Checked) -> Panel | None:
    """The rows of fixes.csv; None where there is none."""
    rows = proposed_fixes(checked)
    if not rows:
        return None
    listed = rows[:MOST]
    images = {(one.split, one.name): one for one in _images(checked)}
    shown = [key for row in listed if (key := (row.split, row.path)) in images][:MOST_THUMBNAILS]
    files = thumbnails([partial(checked.read, images[key]) for key in shown], BYTES)
    # The most suspicious comes first; to have no label is written so.
    proposed = {
        (s.image.split, s.image.name): s.proposed or ";"
        for s in reversed(checked.findings.suspects)
    }
    html = render(
        "fixes.html",
        rows=[(row, proposed.get((row.split, row.path), "")) for row in listed],
        files=dict(zip(shown, files, strict=True)),
        rest=len(rows) - len(listed),
    )
    data = {"id": _id(checked), "classes": [*checked.splits.classes]}
    return Panel("fixes", "What to change", html, data)


def _images(checked: Checked) -> list[ImageRef]:
    """The images that have a row and can be read."""
    findings = checked.findings
    return [
        *(image for group in findings.duplicates for image in group.images),
        *(suspect.image for suspect in findings.suspects),
        *(odd.image for odd in findings.odd_sizes),
    ]


def _id(checked: Checked) -> str:
    """Names the labelled images, wherever the page lies: decisions are kept under it."""
    splits, total = checked.splits, sha256()
    for split in (splits.train, splits.eval):
        for name, label in zip(split.names, split.labels, strict=True):
            total.update(f"{name}\0{label}\0".encode())
    return total.hexdigest()[:16]
