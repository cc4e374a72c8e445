"""The files of a check: check.html shows what it has found, fixes.csv is what to do about it."""

from os import PathLike
from pathlib import Path

from tlf.checks.checked import Checked
from tlf.checks.proposed_fixes import proposed_fixes
from tlf.data.fixes import write_fixes
from tlf.reports.page import render, write_page
from tlf.reports.panel import Panel
from tlf.reports.panels.findings import findings_panel
from tlf.reports.panels.fixes import fixes_panel
from tlf.runtime.files import absolute, write_folder
from tlf.runtime.text import printable


def write_check(checked: Checked, output: str | PathLike[str] | None = None) -> Path:
    """Write check.html and fixes.csv into a new folder, whole or not at all; return the folder.

    Parameters:
        checked: what ``tlf.check`` yields last.
        output: the folder; where it exists, a number is added to its name. None: a folder in
            ``checks``, named after the recipe or the folder of images.

    Raises:
        RunError: it cannot be written. Nothing is left then.
    """
    rows, panels = proposed_fixes(checked), _panels(checked)

    def write(temporary: Path) -> None:
        write_fixes(temporary / "fixes.csv", rows)
        write_page(
            temporary / "check.html",
            f"Check of {checked.source}",
            panels,
            subtitle=f"Features: {checked.backbone}",
        )

    return write_folder(absolute(output or default_folder(checked.source)), write)


def _panels(checked: Checked) -> list[Panel]:
    found = findings_panel(checked.findings, checked.read)
    return [*filter(None, [_notes(checked), found, fixes_panel(checked)])]


def _notes(checked: Checked) -> Panel | None:
    """What to know before the findings are read; None where nothing was noted."""
    notes = [*checked.notes, *checked.findings.notes]
    return Panel("notes", "Notes", render("notes.html", notes=notes)) if notes else None


def default_folder(source: str | PathLike[str]) -> Path:
    """Where the files of a check go.

    >>> str(default_folder("recipes/a.toml")), str(default_folder("my/images.2/"))
    ('checks/a', 'checks/images.2')
    """
    path = absolute(source)
    return Path("checks", printable(path.stem if path.suffix == ".toml" else path.name) or "check")
