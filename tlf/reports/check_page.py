"""The files of a check: check.html shows what it has found, fixes.csv is what to do about it."""

from os import PathLike
from pathlib import Path

from tlf.checks.checked import Checked
from tlf.checks.proposals import proposals
from tlf.data.fixes import write_fixes
from tlf.errors import RunError
from tlf.reports.page import render, write_page
from tlf.reports.panel import Panel
from tlf.reports.panels.findings import findings_panel
from tlf.reports.panels.fixes import fixes_panel
from tlf.runtime.files import absolute, write_folder
from tlf.runtime.text import printable

OTHER_FOLDER = "write --output some/other/folder"
"""What an error says about a folder that cannot be written."""


def write_check(checked: Checked, output: str | PathLike[str] | None = None) -> Path:
    """Write check.html and fixes.csv into a new folder, whole or not at all; return the folder.

    Parameters:
        checked: what ``tlf.check`` yields last.
        output: the folder; where it exists, a number is added to its name. None: a folder in
            ``checks``, named after the recipe or the folder of images.

    Raises:
        RunError: it cannot be written. Nothing is left then.
    """
    folder = absolute(output or default_folder(checked.source))

    def write(temporary: Path) -> None:
        write_fixes(temporary / "fixes.csv", proposals(checked))
        write_page(
            temporary / "check.html",
            f"Check of {checked.source}",
            _panels(checked),
            subtitle=f"Features: {checked.backbone}",
        )

    try:
        return write_folder(folder, write)
    except OSError as error:
        raise RunError(
            f"cannot write the folder {folder}: {error.strerror or error}; {OTHER_FOLDER}"
        ) from error


def _panels(checked: Checked) -> list[Panel]:
    found = findings_panel(checked.findings, checked.read)
    return [found, *filter(None, [fixes_panel(checked), _notes(checked)])]


def _notes(checked: Checked) -> Panel | None:
    """What was noted on the way; None where nothing was."""
    notes = [*checked.notes, *checked.findings.notes]
    return Panel("notes", "Notes", render("notes.html", notes=notes)) if notes else None


def default_folder(source: str | PathLike[str]) -> Path:
    """Where the files of a check go.

    >>> str(default_folder("recipes/a.toml")), str(default_folder("my/images.2/"))
    ('checks/a', 'checks/images.2')
    """
    path = absolute(source)
    return Path("checks", printable(path.stem if path.suffix == ".toml" else path.name) or "check")
