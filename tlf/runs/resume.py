"""Resume a run that was stopped, or train one further that has ended."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from os import PathLike
from pathlib import Path

from tlf.data.workers import lost_processes_named
from tlf.events import Notice, SegmentStarted
from tlf.recipe.files import read_table
from tlf.recipe.paths import moved_here
from tlf.recipe.plan import Plan, planned
from tlf.runs.changes import check_allowed, find_changes
from tlf.runs.files import rewrite_epochs, write_chapter, write_recipe
from tlf.runs.folder import RunStarted, has_ended
from tlf.runs.further import change_notes, check_further, recipe_from_best
from tlf.runs.hooks import with_run_hooks
from tlf.runs.owner import owned_run
from tlf.runs.record import RunEvent, opened, resume_with, train_recorded
from tlf.runs.run import run as run_recipe
from tlf.runs.tracking.tracking import Tracking, check_installed
from tlf.runtime.devices import join_processes
from tlf.runtime.files import absolute
from tlf.runtime.processes import from_main
from tlf.runtime.stored.state import has_state, state_file
from tlf.training.checkpoint.state_file import restore
from tlf.training.segments.norms import norm_notes
from tlf.training.segments.pieces import fit_pieces
from tlf.training.state import State


def resume(
    run: str | PathLike[str], overrides: Sequence[str] = (), *, changed: bool = False
) -> Iterator[RunEvent]:
    """Resume a run that was stopped, from its last stored state. On the same device and number of
    processes, the result is the same to the last bit as without the stop.

    A run that has ended goes on where its last phase is given more epochs.

    Parameters:
        run: the folder of the run.
        overrides: ``key=value``: what of the recipe is other from here on, which is recorded.
        changed: resume although versions, code or images have changed, which is recorded.

    Raises:
        RunError: there is nothing to resume; the recipe, the code or the images have changed; or
            what the overrides change is trained already.
    """
    folder = absolute(run)
    with lost_processes_named(resume_with(folder)):
        join_processes()
        anew = bool(overrides) and from_main(lambda: has_ended(folder) and not has_state(folder))
    if anew:
        yield from _run_from_best(folder, overrides)
        return
    yield from resumed(folder, lambda: _plan(folder, overrides), overrides, changed=changed)


def resumed(
    folder: Path,
    read_plan: Callable[[], Plan],
    overrides: Sequence[str] = (),
    *,
    changed: bool = False,
) -> Iterator[RunEvent]:
    """Resume a run with a plan that is made once the run is known to be one that can be resumed.

    Parameters:
        folder: the folder of the run.
        read_plan: makes the plan.
        overrides: the changes that the plan has and the run's recipe has not.
        changed: resume although versions, code or images have changed.
    """
    started = time.perf_counter()
    with ExitStack() as exits:
        with lost_processes_named(resume_with(folder)):
            # The folder may be on the machine of the main process alone.
            owning = owned_run(folder, further=bool(overrides))
            note = from_main(lambda: exits.enter_context(owning))
            plan = read_plan()
            from_main(lambda: check_installed(plan))
            job = yield from fit_pieces((yield from opened(plan)))
            changes = from_main(lambda: find_changes(folder, job, overrides))
            check_allowed(folder, changes, changed=changed)
            stored = from_main(lambda: has_state(folder))
            ended = from_main(lambda: has_ended(folder))
            state = restore(state_file(folder), job) if stored else State()
            check_further(folder, job, state, changes, ended=ended)
            tracking = exits.enter_context(Tracking(plan))
            changed_since = bool(changes.sentences)
            tracked = from_main(
                lambda: tracking.take_up(folder, state.history, changed=changed_since)
            )
        rewrite_epochs(folder, job, state.history)
        if changes.sentences:
            write_chapter(folder, job, len(state.history), changes)
        elif changes.moved:
            write_recipe(folder, job)
        yield RunStarted(folder, job, len(state.history))
        own = [*job.notes, *norm_notes(job), *filter(None, [note]), *tracked]
        again = [] if stored else [_AGAIN]
        notes = [*changes.notes, *own, *state.notes, *change_notes(job, state, changes), *again]
        yield from map(Notice, notes)
        if state.segment is not None:
            phase = job.recipe.phases[state.phase].name
            yield SegmentStarted(phase, state.epoch, state.segment.rates, state.segments[-1].start)
        training = tracking.follow(train_recorded(job, folder, state, started))
        yield from with_run_hooks(job, folder, training, resumed=True)


_AGAIN = "the run was stopped before its first state was stored; it starts again"


def _run_from_best(folder: Path, overrides: Sequence[str]) -> Iterator[RunEvent]:
    content, note = from_main(lambda: recipe_from_best(folder, overrides))
    yield Notice(note)
    yield from run_recipe(planned(content, str(folder / "recipe.toml")))


def _plan(folder: Path, overrides: Sequence[str]) -> Plan:
    path = folder / "recipe.toml"
    here = str(absolute("."))
    content, there = from_main(lambda: (read_table(path, overrides), here))
    return planned(moved_here(content, there, here), str(path))
