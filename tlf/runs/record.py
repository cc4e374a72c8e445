"""Train, and record in the run's folder what happens: what new and resumed runs share."""

import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from tlf.data.loading import order
from tlf.data.workers import lost_processes_named
from tlf.errors import (
    NotFiniteError,
    PluginError,
    StoppedError,
    UnwritableError,
    in_shell,
)
from tlf.events import Notice, Prepared, SegmentEnded, SegmentStarted, Stored
from tlf.inference.calibrated import calibrate
from tlf.inference.train_images import MEASURED, STORED, TrainImages, train_images
from tlf.plugins.attribution import blame_packages
from tlf.recipe.paths import path_keys
from tlf.recipe.plan import Plan
from tlf.results import EpochResult, RunResult
from tlf.runs.files import Learnt, about_model, record_epoch, write_end, write_segments
from tlf.runs.folder import RunStarted, has_ended
from tlf.runs.identity import check_processes, job_identity, plan_identity
from tlf.runtime.devices import start_accelerator
from tlf.runtime.stored.state import place, state_file
from tlf.training.calibration.predictions import calibration_predictions
from tlf.training.checkpoint.checkpointer import Checkpointer
from tlf.training.checkpoint.extensions import clear_states
from tlf.training.embeddings import embeddings, stored_by
from tlf.training.job import Job, kernels_of, open_job, read_images
from tlf.training.reuse.images import written_since
from tlf.training.state import State
from tlf.training.trainer import Event, stop, train

RunEvent = RunStarted | Event | RunResult


def opened(
    plan: Plan, earlier: Sequence[Job] = ()
) -> Generator[Prepared | Notice | Stored, None, Job]:
    """Find the images, build the model, and read every image: the same in all processes.

    ``earlier``: jobs of runs that have ended, from which is taken over what cannot have changed.
    """
    clear_states(plan)
    kernels_of(plan.recipe).reserve()
    accelerator = start_accelerator(plan.recipe.precision)
    paths = [*path_keys(plan.recipe)]
    check_processes(plan_identity(plan), paths)
    job = open_job(plan, accelerator, earlier)
    check_processes(job_identity(job), paths)
    return (yield from read_images(job, earlier))


def resume_with(folder: Path) -> str:
    """What to write to resume a run."""
    return f"resume with: tlf resume {in_shell(folder)}"


def train_recorded(job: Job, folder: Path, state: State, started: float) -> Iterator[RunEvent]:
    """Train from a state on, and write the run's files.

    Parameters:
        job: the run.
        folder: its folder.
        state: where it is.
        started: when the process began with it, in seconds of ``time.perf_counter``.

    Raises:
        RunError: a process is lost.
        PluginError, UnwritableError: says how to resume the run.
    """
    try:
        kernels = kernels_of(job.recipe).used_on(job.accelerator.device)
        with (
            lost_processes_named(resume_with(folder)),
            blame_packages(job.plan.plugins.packages),
            kernels,
            job.loaders,
        ):
            yield from _train_and_write(job, folder, state, started)
    except (PluginError, UnwritableError) as error:
        # No state is stored here: the plugin may have failed in the middle of a step. A resumed run
        # repeats what came after the last state, calls of hooks included.
        if has_ended(folder):
            raise type(error)(f"{error}; the run has ended, and its model is written") from error
        if not state_file(folder).is_file():
            raise
        fixed = f" --changed, or with other options: tlf resume {in_shell(folder)} KEY=VALUE"
        raise type(error)(
            f"{error}; the run's last state is stored: when this is fixed, resume with: "
            f"tlf resume {in_shell(folder)}{fixed if isinstance(error, PluginError) else ''}"
        ) from error


def _train_and_write(job: Job, folder: Path, state: State, started: float) -> Iterator[RunEvent]:
    state.about = about_model(job)
    with Checkpointer(folder, job, state) as checkpointer:
        events, stopped = train(job, state), None
        try:
            for event in events:
                yield from _recorded(event, folder, job, state)
                yield from checkpointer.after(event)
                if checkpointer.request is not None:
                    stopped = f"stopped on request {_place(job, state)}: {checkpointer.request}"
                    yield from _stopped(events, folder, job, state)
                    break
        except NotFiniteError as error:
            yield from checkpointer.fall_back()
            raise NotFiniteError(f"{error}{_how_to_go_on(folder, state.phase)}") from error
    yield from map(Notice, written_since(job) if job.accelerator.is_main_process else ())
    learnt = yield from _learnt(job, state)
    yield write_end(folder, job, state, learnt, time.perf_counter() - started, stopped)


def _learnt(job: Job, state: State) -> Generator[Prepared | Notice | Stored, None, Learnt]:
    """Calibrate the best model, and embed the train images where the run stores them. Every process
    has to call this.
    """
    source, found = yield from calibration_predictions(job, state)
    calibrated = calibrate(
        job.task,
        found.logits,
        job.task.probabilities(found.logits),  # freed before the train images are embedded
        found.labels,
        job.recipe.coverage,
        source,
    )
    return Learnt(calibrated, (yield from _train_images(job, state)))


def _train_images(
    job: Job, state: State
) -> Generator[Prepared | Notice | Stored, None, TrainImages | None]:
    segment, wanted = stored_by(job, state), job.recipe.unlike
    if wanted is False or (wanted == "auto" and segment is None):
        return None
    train, split, seed = job.splits.train, job.splits, job.recipe.seed
    some = sorted(order(seed, 0, len(split.train))[:STORED])
    held_out = sorted(order(seed, 0, len(split.eval))[:MEASURED])
    embedded = yield from embeddings(job, some, held_out, segment=segment)
    labels = [job.task.names(train.labels[index], split.classes) for index in some]
    return train_images([train.names[i] for i in some], labels, embedded.train, embedded.eval)


def _recorded(event: Event, folder: Path, job: Job, state: State) -> Iterator[Event]:
    """Write what has happened to the run's files, and pass it on."""
    if isinstance(event, EpochResult):
        record_epoch(folder, job, event)
    elif isinstance(event, SegmentStarted | SegmentEnded):
        write_segments(folder, job, state.segments)
    yield event


def _stopped(
    events: Generator[Event, None, None], folder: Path, job: Job, state: State
) -> Iterator[Event]:
    """End a run on request; its state is stored. Where no epoch is evaluated yet, this one is,
    after the updates that are made.

    Raises:
        StoppedError: nothing has trained yet, so there is no model.
    """
    if state.best_so_far(job.recipe.monitor) is None:
        if not state.update:
            raise StoppedError(folder, "request before its first update, so there is no model")
        yield Notice(f"no epoch is evaluated yet: the model after {state.update} updates is")
        state.cut_short = True
        for event in events:
            yield event
            if isinstance(event, EpochResult):
                break
    events.close()
    for event in stop(job, state):
        yield from _recorded(event, folder, job, state)


def _place(job: Job, state: State) -> str:
    phase = job.recipe.phases[state.phase]
    return place(phase.name, phase.epochs, state.epoch, state.update)


def _how_to_go_on(folder: Path, phase: int) -> str:
    """The last clause of an error after which a run can go on with another learning rate."""
    if not state_file(folder).is_file():
        return ""
    return (
        "; the run's last sound state is stored: go on from it with "
        f"tlf resume {in_shell(folder)} phases.{phase}.lr=…"
    )
