"""Tells a tracker what happens in a run."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from tlf.errors import RunError, StoppedError
from tlf.events import Notice
from tlf.plugins.tracebacks import message
from tlf.recipe.plan import Plan
from tlf.recipe.tables import table
from tlf.results import EpochResult, RunResult
from tlf.runs.tracking.figures import best_figures, config, epoch_figures
from tlf.runs.tracking.note import Note, read_note, write_note
from tlf.trackers import OpenTracker, Outcome, TrackedRun

Event = TypeVar("Event")

ALL_EPOCHS = "metrics.jsonl in the run's folder has every epoch"


def check_installed(plan: Plan) -> None:
    """Check that the tracker's packages are there.

    Raises:
        RunError: names those that are not.
    """
    lacking = [name for name in getattr(plan.recipe.tracking, "packages", ()) if not _found(name)]
    if lacking:
        raise RunError(
            f"{_key(plan)} must be installed, got no package {' or '.join(lacking)}; write "
            f"pip install {' '.join(lacking)}, or leave [tracking] out"
        )


class Tracking:
    """The tracker of a run, in the main process; nothing where the recipe names none.

    A tracker that fails is told nothing more. The run goes on, and says that tracking is
    incomplete: it has its own files. Whatever a tracker prints goes to stderr.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tracker: OpenTracker | None = None
        self.fault: str | None = None
        """Why the tracker is told nothing more."""
        self.history: list[EpochResult] = []

    def __enter__(self) -> "Tracking":
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        # The caller of the run hears of no event any more.
        if (fault := self._close("stopped")) and error:
            error.add_note(fault)

    def begin(self, folder: Path) -> None:
        """Begin to track a new run.

        Raises:
            RunError: the tracker cannot be opened.
        """
        if self.plan.recipe.tracking is None:
            return
        try:
            self._open(folder, None)
        except Exception as error:
            raise RunError(
                f"{_key(self.plan)} must be a tracker that can be opened, got "
                f"{_why(error)}; change [tracking], or leave it out"
            ) from error

    def take_up(
        self, folder: Path, history: Sequence[EpochResult], *, changed: bool
    ) -> tuple[str, ...]:
        """Go on with a run, and give the tracker the epochs that it lacks.

        A tracker that has later epochs gets a new run where the recipe or the code has changed:
        they are those of another run then. Otherwise they come again as they were.

        Parameters:
            folder: the folder of the run.
            history: its epochs.
            changed: whether it goes on with another recipe, or other code.

        Returns:
            What a person should know.
        """
        if self.plan.recipe.tracking is None:
            return ()
        self.history = []
        try:
            note = read_note(folder, self._described())
            forked = note is not None and changed and note.epochs > len(history)
            self._open(folder, None if forked else note, len(history))
        except Exception as error:
            return (self._failed(error),)
        faults = [fault for result in history for fault in self._epoch(result)]
        new = "the tracker had later epochs, of before the change: it is given a new run"
        return (*([new] if forked else []), *(fault.text for fault in faults))

    def follow(self, events: Iterable[Event]) -> Iterator[Event | Notice]:
        """Pass the events of a run on, and tell the tracker of them."""
        try:
            for event in events:
                if isinstance(event, EpochResult):
                    yield from self._epoch(event)
                elif isinstance(event, RunResult):
                    yield from self._result(event)
                yield event
        except Exception as error:
            fault = self._close("stopped" if isinstance(error, StoppedError) else "failed")
            yield from map(Notice, filter(None, [fault]))
            raise

    def _open(self, folder: Path, note: Note | None, epochs: int = 0) -> None:
        component = self.plan.recipe.tracking
        if component is None:
            raise RuntimeError("a recipe without a tracker")
        run = TrackedRun(
            folder=str(folder),
            name=folder.name,
            config=config(self.plan),
            id=None if note is None else note.id,
            epochs=epochs,
            logged=0 if note is None else note.epochs,
        )
        with redirect_stdout(sys.stderr):
            self.tracker = component.open(run)
        self.folder = folder
        self.note = Note(self._described(), self.tracker.id, self.tracker.last)
        write_note(folder, self.note)

    def _described(self) -> Mapping[str, Any]:
        recipe = self.plan.recipe
        catalogue = self.plan.plugins.catalogue
        return {
            "kind": catalogue.offer(recipe.tracking).kind,
            **table(recipe.tracking, catalogue),
        }

    def _epoch(self, result: EpochResult) -> Iterator[Notice]:
        self.history.append(result)
        step = len(self.history)
        if self.tracker is None or step <= self.note.epochs:
            return
        try:
            self._log(epoch_figures(result), step)
            self.note = replace(self.note, epochs=step)
            write_note(self.folder, self.note)
        except Exception as error:
            yield Notice(self._failed(error))

    def _result(self, result: RunResult) -> Iterator[Notice]:
        """Tell of the best epoch, and end."""
        self.history = [*result.history]
        number = [(one.phase, one.epoch) for one in self.history].index(
            (result.best.phase, result.best.epoch)
        )
        try:
            self._log(best_figures(result.best, number + 1), len(self.history))
        except Exception as error:
            yield Notice(self._failed(error))
        fault = self._close("finished" if result.stopped is None else "stopped")
        if self.fault is not None:
            yield Notice(fault or f"tracking is incomplete: {self.fault}; {ALL_EPOCHS}")

    def _log(self, figures: Mapping[str, float], step: int) -> None:
        if self.tracker is not None:
            with redirect_stdout(sys.stderr):
                self.tracker.log(figures, step)

    def _failed(self, error: Exception) -> str:
        """What to say of the first failure: it is the last, as the tracker is told nothing more."""
        self.fault = f"{_key(self.plan)} failed: {_why(error)}"
        self._close("stopped")
        return f"{self.fault}; the run goes on without it, and {ALL_EPOCHS}"

    def _close(self, outcome: Outcome) -> str | None:
        """End the tracker's run, if it is open; say what failed."""
        tracker, self.tracker = self.tracker, None
        if tracker is None:
            return None
        try:
            with redirect_stdout(sys.stderr):
                tracker.end(outcome)
        except Exception as error:
            self.fault = self.fault or f"{_key(self.plan)} failed: {_why(error)}"
            return f"tracking is incomplete: {self.fault}; {ALL_EPOCHS}"
        return None


def _key(plan: Plan) -> str:
    return f'tracking.kind = "{plan.plugins.catalogue.offer(plan.recipe.tracking).kind}"'


def _why(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {message(error)}".split())


def _found(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False
