"""The epochs and segments of a run: how metrics.jsonl is written and read, and segments.jsonl."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from tlf.epoch_lines import epoch_line, epoch_result
from tlf.errors import RunError
from tlf.events import SegmentStarted, segment_started
from tlf.results import EVAL, EpochResult, rank
from tlf.runs.folder import check_trained, read_provenance, recorded_recipe
from tlf.runtime.files import is_run, near_runs, with_absolute, write_whole, writing
from tlf.runtime.regular_file import read_regular
from tlf.runtime.strict_json import dumps
from tlf.tasks import DEFAULT_MONITOR, MONITORS
from tlf.tasks.metric import LOSS

METRICS = "metrics.jsonl"
"""The file with a line for each epoch: the fields of its ``EpochResult`` as JSON."""

SEGMENTS = "segments.jsonl"
"""The file with a line for each segment: the fields of its ``SegmentStarted`` as JSON."""


def append_epoch(folder: Path, result: EpochResult) -> None:
    """Add a line to metrics.jsonl, or leave the file as it was.

    Raises:
        UnwritableError: the line cannot be written.
    """
    path = folder / METRICS
    with writing(path), path.open("ab", buffering=0) as file:
        before = file.tell()
        try:
            line = memoryview(_line(result).encode())
            while line:  # a disk that is almost full takes a part of it
                line = line[file.write(line) :]
        except OSError:
            file.truncate(before)
            raise


def rewrite_history(folder: Path, history: Sequence[EpochResult]) -> None:
    """Keep only the epochs of ``history``: a killed run may have written later ones."""
    write_whole(folder / METRICS, "".join(map(_line, history)))


def read_notes(run: str | PathLike[str]) -> tuple[str, ...]:
    """What a person should know about the images that a run's figures are about.

    Raises:
        RunError: provenance.json is damaged.
    """
    if not (Path(run) / "provenance.json").is_file():
        return ()
    notes = read_provenance(Path(run)).get("notes", ())
    return tuple(map(str, notes)) if isinstance(notes, list) else ()


def read_history(run: str | PathLike[str]) -> Iterator[EpochResult]:
    """Yield the finished epochs of a run, which ``tlf history RUN`` prints.

    Parameters:
        run: the folder of the run.

    Raises:
        RunError: the folder holds no run, or the run has no finished epoch.
    """
    epochs = 0
    for result in _read(Path(run) / METRICS, epoch_result):
        epochs += 1
        yield result
    if not epochs:
        path = Path(run) / METRICS
        raise RunError(f"{path} holds no finished epoch; wait for the first one")


def read_segments(run: str | PathLike[str]) -> Iterator[SegmentStarted]:
    """Yield the segments of a run: what trained at which rate, from which epoch on, and what the
    audit at its end found.

    Parameters:
        run: the folder of the run.

    Raises:
        RunError: the folder holds no run whose training has begun.
    """
    yield from _read(Path(run) / SEGMENTS, segment_started)


def monitor_of(run: str | PathLike[str]) -> str:
    """The figure that decides which epoch of a run is the best."""
    # Its epochs may be all that is left of a run.
    monitor = recorded_recipe(Path(run)).get("monitor")
    name = monitor if isinstance(monitor, str) else ""
    return name if name in MONITORS or name.startswith(EVAL) else DEFAULT_MONITOR


def best_of(epochs: Iterable[EpochResult], monitor: str) -> EpochResult | None:
    """The best epoch, of equal ones the first; None where nothing is known by the monitor."""
    measured = (one for one in epochs if hasattr(one, monitor) and LOSS.name in one.metrics)
    return max(measured, key=lambda one: rank(one, monitor), default=None)


Line = TypeVar("Line")


def _read(path: Path, made_of: Callable[[Mapping[str, Any]], Line]) -> Iterator[Line]:
    """What each line of a file holds."""
    if not path.is_file():
        if is_run(path.parent):
            check_trained(path.parent)
        raise RunError(
            f"there is no {with_absolute(path)}; write the folder of a run with a finished epoch"
            f"{near_runs(path)}"
        )
    try:
        lines = read_regular(path).split(b"\n")
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        try:
            result = made_of(json.loads(line)) if line else None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            if number == len(lines):  # a run is writing it now
                return
            fault = f"{type(error).__name__}: {error}"
            raise RunError(
                f"{path}, line {number} is damaged ({fault}); remove the line"
            ) from error
        if result is not None:
            yield result


def _line(result: EpochResult) -> str:
    return dumps(epoch_line(result)) + "\n"
