"""When the state of a run is stored: at regular intervals, when the run is asked to stop, and where
its last phase has ended.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from safetensors import SafetensorError

from tlf.errors import StoppedError, in_shell
from tlf.events import Notice, PhaseEnded, Prepared, Updated
from tlf.results import EpochResult, for_plugins
from tlf.runtime.files import is_run
from tlf.runtime.processes import gathered
from tlf.runtime.stored.state import state_file
from tlf.training.checkpoint.interrupts import watching
from tlf.training.checkpoint.requests import is_asked
from tlf.training.checkpoint.state_file import discard, remove_model, save
from tlf.training.job import Job
from tlf.training.state import State
from tlf.training.trainer import Event

BY_COMMAND = "tlf stop"
"""The reason of a run that was ended by this command."""

LONGEST_REASON = 200
"""Letters of a plugin's reason that are kept: it stands in one line, on the screen and in files."""

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
        self.best = _best(job, state)
        self.request: str | None = None
        """Why the run was asked to end with its best model: by a person, or by a plugin."""
        self._exits = ExitStack()

    def __enter__(self) -> "Checkpointer":
        self.interrupted = self._exits.enter_context(watching())
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def after(self, event: Event) -> Iterator[Notice]:
        """Store the state if it is due, or if the run was asked to stop.

        Raises:
            StoppedError: the run was interrupted; the state is stored.
        """
        if isinstance(event, PhaseEnded) and self.state.ended and self.job.recipe.keep_state:
            # Although the same epoch may be stored already: that state says that the run goes on.
            yield from self._save()
        elif isinstance(event, Updated | EpochResult) or (
            # Preparing can take long, so a single process also stops there. Several processes do
            # not: each prepares its own part in its own time, so they cannot agree at one event.
            isinstance(event, Prepared) and self._alone
        ):
            yield from self._after_progress(event)

    def _after_progress(self, event: Updated | EpochResult | Prepared) -> Iterator[Notice]:
        # Every process comes here equally often: after each update, evaluated batch and epoch.
        self.updates += isinstance(event, Updated) and not event.evaluating
        due = self._due() and not isinstance(event, Prepared)
        stop, wish = self.interrupted.by is not None, self._wish(event)
        asked = wish is not None
        if not self._alone and not _is_synced(event):
            due, stop, asked = self._counted(), False, False
        elif not self._alone:
            due, stop, asked = self._agreed(due, stop, asked)
        if due or stop or asked:
            yield from self._save()
        if stop:
            raise self._stopped(self.interrupted.by or "another process")
        if asked and self.problem is not None:
            raise self._stopped("request")
        if asked:
            self.request = next(filter(None, gathered(wish)))

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

    def _wish(self, event: Updated | EpochResult | Prepared) -> str | None:
        """Why the run should end now with its best model; None where nobody wishes it."""
        state = self.state
        last = state.phase + 1 == len(self.job.recipe.phases)
        if not _is_synced(event) or (last and state.epoch >= self.job.recipe.phases[-1].epochs):
            return None  # it ends by itself
        if self.job.accelerator.is_main_process and is_asked(self.folder):
            return BY_COMMAND
        stop = self.job.hook.tlf_stop
        if not stop.get_hookimpls():
            return None  # nothing is copied where nobody asks, which is often
        reason: str | None = stop(history=for_plugins(state.history))
        return reason and f"{' '.join(reason.split()):.{LONGEST_REASON}}"

    def _agreed(self, *flags: bool) -> Iterator[bool]:
        """Whether any process is due, whether any has to stop, and whether any wishes to end.

        Storing gathers the losses of all processes, so all have to do it at the same event. But
        each has its own clock, and a signal reaches them at different moments, or only one of them.
        """
        return (count > 0 for count in self.job.summed(flags))

    def _save(self) -> Iterator[Notice]:
        self.saved_at, self.updates = time.monotonic(), 0
        try:
            best = _best(self.job, self.state)
            if best != self.best and self.job.accelerator.is_main_process:
                remove_model(self.folder)
            save(state_file(self.folder), self.job, self.state)
            self.stored, self.best = _place(self.state), best
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
            advice = f"its state could not be stored: {self.problem}; "
            advice += f"tlf resume {in_shell(self.folder)} "
            advice += "continues from the state before" if older else "restarts the run"
        return StoppedError(self.folder, by, advice)


def _is_synced(event: Updated | Prepared | EpochResult) -> bool:
    return not isinstance(event, Updated) or event.synced


def _best(job: Job, state: State) -> EpochResult | None:
    best = state.best_so_far(job.recipe.monitor)
    return None if best is None else best.result


def _place(state: State) -> tuple[int, int, int]:
    """How far a run is: phase, epoch and update."""
    return state.phase, state.epoch, state.update
