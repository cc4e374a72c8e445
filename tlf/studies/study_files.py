"""The files of a study: NAME.json for programs, NAME.html for people."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from tlf.metrics.paired import Difference
from tlf.metrics.verdict import verdict
from tlf.reports.page import write_page
from tlf.reports.panel import Panel
from tlf.reports.panels.notes import notes_panel
from tlf.runtime.files import absolute, default_folder, write_folder, write_whole
from tlf.runtime.strict_json import dumps


def difference_json(
    first: str, second: str, found: Difference | None, unit: str = "seeds"
) -> dict[str, Any] | None:
    """The difference of a candidate from the first, with the verdict; None for the first itself."""
    if found is None:
        return None
    told = verdict(first, second, found, unit)
    return {**asdict(found), "distinguishable": bool(found.better), "verdict": told}


@dataclass(frozen=True)
class StudyFiles:
    """What is written about a study."""

    name: str
    """Of both files, without what follows the dot: ``probe``."""
    content: Mapping[str, Any]
    """Of the JSON file."""
    title: str
    subtitle: str
    panels: Sequence[Panel]
    notes: Sequence[str] = ()
    """What a person should know: one sentence each."""

    def write(self, folder: Path) -> Path:
        """Write them into a folder that is there; return the page. Older ones are replaced.

        Raises:
            UnwritableError: they cannot be written.
        """
        text = dumps(self.content, indent=1)
        write_whole(folder / f"{self.name}.json", f"{text}\n")
        panels = [*filter(None, [*self.panels, notes_panel(self.notes)])]
        page = folder / f"{self.name}.html"
        write_page(page, self.title, panels, subtitle=self.subtitle)
        return page

    def write_new(self, kind: str, source: str, output: str | PathLike[str] | None) -> Path:
        """Write them into a new folder, whole or not at all; return the folder.

        Parameters:
            kind: the folder of all studies of this kind, where none is named: ``probes``.
            source: the recipe or the folder of images.
            output: the folder; where it exists, a number is added to its name.

        Raises:
            RunError: it cannot be written. Nothing is left then.
        """
        return write_folder(absolute(output or default_folder(kind, source)), self.write)
