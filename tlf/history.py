"""The epochs of a run, read from its folder."""

import json
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from tlf.errors import RunError, nearest
from tlf.results import EpochResult, epoch_result


def read_history(run: str | PathLike[str]) -> Iterator[EpochResult]:
    """Yield the epochs of a run that are over: what ``tlf history RUN`` prints.

    Parameters:
        run: its folder.

    Raises:
        RunError: the folder is no run's, or has no epoch yet.
    """
    path = Path(run) / "metrics.jsonl"
    if not path.is_file():
        raise RunError(
            f"there is no {path}; name the folder of a run that has ended an epoch{_near(path)}"
        )
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.endswith("}"):  # a run that is writing may be in the middle of a line
            yield epoch_result(json.loads(line))


def _near(path: Path) -> str:
    """The runs in a folder that is none itself, or beside it."""
    folder = path.parent if path.parent.is_dir() else path.parent.parent
    runs = sorted(str(found.parent) for found in folder.glob(f"*/{path.name}"))
    return f"; {nearest(str(path.parent), runs)}" if runs else ""
