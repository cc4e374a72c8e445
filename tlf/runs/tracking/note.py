"""tracking.json: by which a run's tracker knows it, so that a resumed run is taken up again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tlf.errors import RunError
from tlf.runtime.files import write_whole
from tlf.runtime.regular_file import read_regular
from tlf.runtime.strict_json import dumps

FILE = "tracking.json"


@dataclass(frozen=True)
class Note:
    """What is known of a run at its tracker."""

    tracker: Mapping[str, Any]
    """The tracker as the recipe names it: its kind and its options."""
    id: str
    epochs: int = 0
    """Of how many epochs it was given figures."""


def write_note(folder: Path, note: Note) -> None:
    """Write tracking.json.

    Raises:
        UnwritableError: it cannot be written.
    """
    write_whole(folder / FILE, dumps(asdict(note), indent=2) + "\n")


def read_note(folder: Path, tracker: Mapping[str, Any]) -> Note | None:
    """The note about this tracker; None where there is none, or it is about another one.

    Raises:
        RunError: the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        note = Note(**json.loads(read_regular(path)))
        if not isinstance(note.id, str) or type(note.epochs) is not int or note.epochs < 0:
            raise TypeError("an id is text, and epochs are counted from 0")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise RunError(
            f"{path} is damaged: {error}; remove it, and the tracker begins a new run"
        ) from error
    return note if note.tracker == tracker else None
