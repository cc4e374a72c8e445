"""When the state of a run is stored: at regular intervals, and when the run is asked to stop."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from safetensors import SafetensorError

from tlf.errors import StoppedError
from tlf.results import EpochResult, Notice, Prepared, Updated
from tlf.runtime.files import is_run
from tlf.training.checkpoint.interrupts import watching
from tlf.training.checkpoint.state_file import discard, save, state_file
from tlf.training.job import Job
from tlf.training.state import State
from tlf.training.trainer import Event

PROOF = 20
"""A stored state is sound if so many updates after it went well."""


class Checkpointer:
    """Stores the state of a run while it trains.

    It acts between two events of the training loop, when no update is half made. So the model, the
    optimizer and ``State`` belong to the same update.
    """

    def __init__(self, folder: Path, job: Job, state: State) -> None:
        self.folder, self.job, self.state = folder, job, state
        self.every = job.recipe.checkpoint_every
        self.saved_at = time.monotonic()
        self.updates = 0
        self.problem: str | None = None
        """Why the state could not be stored the last time."""
        self.stored = _place(state)
        self._exits = ExitStack()

    def __enter__(self) -> "Checkpointer":
        self.interrupted = self._exits.enter_context(watching())
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def after(self, event: Event) -> Iterator[Notice]:
        """Store the state if it is due, or if the run was asked to stop.

        Raises:
            StoppedError: the run was asked to stop; the state is stored.
        """
        # Preparing can take long, so a single process also stops there. Several processes do not:
        # each prepares its own part in its own time, so they cannot agree at the same event.
        if isinstance(event, Prepared) and self._alone and self.interrupted.by is not None:
            yield from self._save()
            raise self._stopped(self.interrupted.by)
        if not isinstance(event, Updated | EpochResult):
            return
        # Every process comes here equally often: after each update, evaluated batch and epoch.
        self.updates += isinstance(event, Updated) and not event.evaluating
        due, stop = self._due(), self.interrupted.by is not None
        if not self._alone:
            due, stop = self._agreed(due, stop) if _is_synced(event) else (self._counted(), False)
        if due or stop:
            yield from self._save()
        if stop:
            raise self._stopped(self.interrupted.by or "another process")

    def fall_back(self) -> Iterator[Notice]:
        """Leave a sound state behind, after something was not finite.

        The stored state may be damaged already: finite, but a step from what is not. So it is kept
        only if it was stored where an epoch ended, or many updates went well after it. Otherwise,
        and if it is older, the best epoch of this phase takes its place, or the start of the phase.
        """
        state, best = self.state, self.state.phase_best
        sound = self.stored[-1] == 0 or self.updates >= PROOF
        if sound and (state.phase, best.result.epoch + 1 if best else 0, 0) <= self.stored:
            return
        if (epoch := best or state.start) is None:
            if self.job.accelerator.is_main_process:
                discard(self.folder)
            return
        epoch.load_into(self.job.classifier)
        state.go_back(self.job.recipe.phases[state.phase].name)
        yield from self._save()

    @property
    def _alone(self) -> bool:
        """Whether this is the only process of the run."""
        return bool(self.job.accelerator.num_processes == 1)

    def _counted(self) -> bool:
        """Whether so many updates were made. All processes count the same."""
        return self.every.updates is not None and self.updates >= self.every.updates

    def _due(self) -> bool:
        if self.every.updates is not None:
            return self._counted()
        return time.monotonic() - self.saved_at >= (self.every.seconds or 0.0)

    def _agreed(self, due: bool, stop: bool) -> tuple[bool, bool]:
        """Whether any process is due, and whether any has to stop.

        Storing gathers the losses of all processes, so all have to do it at the same event. But
        each has its own clock, and a signal reaches them at different moments, or only one of them.
        """
        due_in, stop_in = self.job.summed([due, stop])
        return due_in > 0, stop_in > 0

    def _save(self) -> Iterator[Notice]:
        self.saved_at, self.updates = time.monotonic(), 0
        try:
            save(state_file(self.folder), self.job, self.state)
            self.stored = _place(self.state)
        except (OSError, SafetensorError) as error:
            # A full disk does not stop the run. The state before this one is still there.
            before, self.problem = self.problem, str(error)
            if self.problem != before:  # said once, however often it is tried
                yield Notice(f"the state of the run could not be stored: {error}")
        else:
            self.problem = None

    def _stopped(self, by: str) -> StoppedError:
        if self.problem is None:
            return StoppedError(self.folder, by)
        if not is_run(self.folder):
            advice = f"its folder {self.folder} is gone: start a new run"
        else:
            older = state_file(self.folder).is_file()
            advice = f"its state could not be stored: {self.problem}; tlf resume {self.folder} "
            advice += "continues from the state before" if older else "restarts the run"
        return StoppedError(self.folder, by, advice)


def _is_synced(event: Updated | EpochResult) -> bool:
    return isinstance(event, EpochResult) or event.synced


def _place(state: State) -> tuple[int, int, int]:
    """How far a run is: phase, epoch and update."""
    return state.phase, state.epoch, state.update
