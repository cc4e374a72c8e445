"""The epochs of a run, read from its folder."""

import json
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from tlf.errors import RunError
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
        raise RunError(f"there is no {path}; name the folder of a run that has ended an epoch")
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.endswith("}"):  # a run that is writing may be in the middle of a line
            yield epoch_result(json.loads(line))
