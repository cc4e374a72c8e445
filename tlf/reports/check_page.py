"""The files of a check: check.html shows what it has found, fixes.csv is what to do about it."""

from os import PathLike
from pathlib import Path

from tlf.checks.checked import Checked
from tlf.checks.proposed_fixes import proposed_fixes
from tlf.data.fixes_file import write_fixes
from tlf.reports.page import write_page
from tlf.reports.panel import Panel
from tlf.reports.panels.findings import findings_panel
from tlf.reports.panels.fixes import fixes_panel
from tlf.reports.panels.notes import notes_panel
from tlf.runtime.files import absolute, default_folder, write_folder


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

    return write_folder(absolute(output or default_folder("checks", checked.source)), write)


def _panels(checked: Checked) -> list[Panel]:
    found = findings_panel(checked.findings, checked.read)
    notes = notes_panel([*checked.notes, *checked.findings.notes])
    return [*filter(None, [notes, found, fixes_panel(checked)])]
