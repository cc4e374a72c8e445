"""Ask a run to end soon with its best model, from any process that sees its folder."""

import time
from os import PathLike
from pathlib import Path

from tlf.errors import RunError, in_shell
from tlf.runs.folder import check_is_run, has_ended
from tlf.runs.history import METRICS, read_history
from tlf.runs.owner import who_runs
from tlf.runtime.stored.state import place_of, state_summary
from tlf.training.checkpoint.requests import ask, withdraw

TIMEOUT = 60.0
"""Seconds to wait for the end of a run. It stops within two, and then has to write its files; a run
that has evaluated no epoch yet evaluates its model first."""

_BETWEEN_LOOKS = 0.1


def stop(run: str | PathLike[str], timeout: float = TIMEOUT) -> str:
    """End a running run soon, and wait until it has written its best model. It can be resumed.

    Parameters:
        run: the folder of the run.
        timeout: the most seconds to wait.

    Returns:
        A sentence: where it was stopped, or that it has ended by itself.

    Raises:
        RunError: the run is not running, cannot be asked, or has not ended in time.
    """
    folder = Path(run)
    check_is_run(folder)
    if who_runs(folder) is None:
        raise RunError(_not_running(folder))
    deadline = time.monotonic() + timeout
    while (owner := who_runs(folder)) is not None:
        _ask(folder)  # again: a run that has just begun removes what was left behind
        if time.monotonic() > deadline:
            raise RunError(
                f"the run in {folder} ({owner}) has not ended within {timeout:g} seconds; the "
                f"request stays, and the run ends when it reads it. Wait with: "
                f"tlf stop {in_shell(folder)} --timeout 600"
            )
        time.sleep(_BETWEEN_LOOKS)
    withdraw(folder)
    return _how_it_ended(folder)


def _ask(folder: Path) -> None:
    try:
        ask(folder)
    except OSError as error:
        raise RunError(
            f"cannot ask the run in {folder} to stop: {error.strerror}; run tlf stop as the user "
            "who started it"
        ) from error


def _not_running(folder: Path) -> str:
    if has_ended(folder):
        return f"the run in {folder} has ended; there is nothing to stop"
    stored = state_summary(folder)
    where = f"; it was stopped {place_of(stored)}" if stored else ""
    has_model = (folder / "model.safetensors").is_file() or bool(stored and stored["best_so_far"])
    run = in_shell(folder)
    use = f"; or use its best model so far: tlf predict {run} IMAGE…" if has_model else ""
    return f"the run in {folder} is not running{where}. Go on with: tlf resume {run}{use}"


def _how_it_ended(folder: Path) -> str:
    epochs = [*read_history(folder)] if (folder / METRICS).is_file() else []
    if epochs and epochs[-1].stopped is not None:
        return epochs[-1].stopped
    if has_ended(folder):
        return "the run has ended by itself"
    raise RunError(
        f"the run in {folder} has ended without a model: its own output says why; go on with: "
        f"tlf resume {in_shell(folder)}"
    )
