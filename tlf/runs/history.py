"""The epochs of a run in its folder: how metrics.jsonl is written and read."""

import json
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path

from tlf.errors import RunError, nearest
from tlf.results import EpochResult, epoch_line, epoch_result
from tlf.runtime.files import write_whole

METRICS = "metrics.jsonl"
"""The file of a run that has a line for each epoch: the fields of its ``EpochResult`` as JSON."""


def append_epoch(folder: Path, result: EpochResult) -> None:
    """Add a line to the metrics."""
    with (folder / METRICS).open("a", encoding="utf-8") as file:
        file.write(_line(result))


def rewrite_history(folder: Path, history: Sequence[EpochResult]) -> None:
    """Leave only the lines of ``history`` in the metrics: a killed run may have written more."""
    write_whole(folder / METRICS, "".join(map(_line, history)))


def read_history(run: str | PathLike[str]) -> Iterator[EpochResult]:
    """Yield the epochs of a run that are over: what ``tlf history RUN`` prints.

    Parameters:
        run: its folder.

    Raises:
        RunError: the folder is no run's, or has no epoch yet.
    """
    path = Path(run) / METRICS
    if not path.is_file():
        raise RunError(
            f"there is no {path}; name the folder of a run that has ended an epoch{_near(path)}"
        )
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.endswith("}"):  # a run that is writing may be in the middle of a line
            yield epoch_result(json.loads(line))


def _line(result: EpochResult) -> str:
    return json.dumps(epoch_line(result)) + "\n"


def _near(path: Path) -> str:
    """The runs in a folder that is none itself, or beside it."""
    folder = path.parent if path.parent.is_dir() else path.parent.parent
    runs = sorted(str(found.parent) for found in folder.glob(f"*/{path.name}"))
    return f"; {nearest(str(path.parent), runs)}" if runs else ""
