"""What a person should know about how something was found out."""

from collections.abc import Sequence

from tlf.reports.page import render
from tlf.reports.panel import Panel


def notes_panel(notes: Sequence[str]) -> Panel | None:
    """One sentence each; None where nothing was noted."""
    return Panel("notes", "Notes", render("notes.html", notes=notes)) if notes else None
