"""Run a recipe, or resume a run that was stopped."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from accelerate.utils import broadcast_object_list

from tlf.errors import NotFiniteError, PluginError, RunError
from tlf.recipe.plan import RecipeLike, plan_of
from tlf.results import EpochResult, Notice, RunResult, SegmentStarted
from tlf.runs.files import record_epoch, rewrite_epochs, write_beginning, write_end, write_segments
from tlf.runs.folder import check_writable, latest_run_folder, new_run_folder, unfinished_run
from tlf.runtime.devices import start_accelerator
from tlf.training.checkpoint.changes import check_unchanged
from tlf.training.checkpoint.checkpointer import Checkpointer
from tlf.training.checkpoint.state_file import restore, state_file
from tlf.training.job import Job, open_job, read_images
from tlf.training.state import State
from tlf.training.trainer import Event, train


@dataclass(frozen=True)
class RunStarted:
    """A run has its folder and is about to train."""

    folder: Path
    job: Job
    epochs: int
    """How many epochs were finished before; 0 unless the run is resumed."""


RunEvent = RunStarted | Event | RunResult


def run(recipe: RecipeLike, overrides: Sequence[str] = ()) -> Iterator[RunEvent]:
    """Train what a recipe describes, and yield events: among others an ``EpochResult`` after each
    epoch, and a ``RunResult`` at the end. The run advances only while its events are consumed.

    >>> import tempfile, tlf
    >>> tiny = [
    ...     "backbone={kind='timm', model='test_resnet', weights='none'}",
    ...     "transforms.size=32", "transforms.resize=32", "phases.head.epochs=1",
    ... ]  # fmt: skip
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     recipe = "recipes/resnet18_finetune.toml"
    ...     events = tlf.run(recipe, [*tiny, "phases.all.epochs=2", f"output={folder}/run"])
    ...     [event.phase for event in events if isinstance(event, tlf.EpochResult)]
    ['head', 'all', 'all']

    Parameters:
        recipe: the path of a recipe, the result of ``load_recipe``, or an explanation's ``plan``.
        overrides: ``key=value``, as on the command line.

    Raises:
        TlfError: anything that a user can cause. Raised before training, it leaves no file.
        MemoryError, RuntimeError: Python's or torch's own error about too little memory.
    """
    started = time.perf_counter()
    plan = plan_of(recipe, overrides)
    check_writable(plan.recipe.output)
    job = yield from read_images(open_job(plan, start_accelerator(plan.recipe.precision)))
    folder = _agreed_folder(job)
    yield RunStarted(folder, job, 0)
    yield from (Notice(note) for note in job.splits.notes)
    write_beginning(folder, job)
    yield from _train(job, folder, State(), started)


def resume(
    run: str | PathLike[str],
    recipe: RecipeLike | None = None,
    overrides: Sequence[str] = (),
    *,
    changed: bool = False,
) -> Iterator[RunEvent]:
    """Resume a run that was stopped, from its last stored state. On the same device and number of
    processes, the result is the same to the last bit as without the stop.

    Parameters:
        run: the folder of the run.
        recipe: a recipe to use instead of the run's own.
        overrides: ``key=value``, as on the command line.
        changed: resume although the recipe or the images have changed.

    Raises:
        RunError: there is nothing to resume, or the recipe or the images have changed.
    """
    started, folder = time.perf_counter(), unfinished_run(Path(run))
    plan = plan_of(folder / "recipe.toml" if recipe is None else recipe, overrides)
    job = yield from read_images(open_job(plan, start_accelerator(plan.recipe.precision)))
    if not changed:
        check_unchanged(folder, job)
    stored = state_file(folder)
    state = restore(stored, job) if stored.is_file() else State()
    rewrite_epochs(folder, job, state.history)
    yield RunStarted(folder, job, len(state.history))
    if not stored.is_file():
        yield Notice("the run was stopped before its first state was stored; it starts again")
    if state.segment is not None:
        phase = job.recipe.phases[state.phase].name
        yield SegmentStarted(phase, state.epoch, state.segment.rates, state.segments[-1].start)
    yield from _train(job, folder, state, started)


def resume_recipe(
    recipe: RecipeLike, overrides: Sequence[str] = (), *, changed: bool = False
) -> Iterator[RunEvent]:
    """Resume the latest run of a recipe: ``tlf RECIPE --resume``.

    Parameters:
        recipe: the path of a recipe, the result of ``load_recipe``, or an explanation's ``plan``.
        overrides: ``key=value``, as on the command line.
        changed: resume although the recipe or the images have changed.

    Raises:
        RunError: there is nothing to resume, or the recipe or the images have changed.
    """
    plan = plan_of(recipe, overrides)
    folder = latest_run_folder(plan.recipe.output)
    if folder is None:
        raise RunError(f"there is no run in {plan.recipe.output} to resume; leave --resume out")
    yield from resume(folder, plan, changed=changed)


def _train(job: Job, folder: Path, state: State, started: float) -> Iterator[RunEvent]:
    try:
        yield from _train_and_write(job, folder, state, started)
    except PluginError as error:
        # No state is stored here: the plugin may have failed in the middle of a step. A resumed run
        # repeats what came after the last state, calls of hooks included.
        if not state_file(folder).is_file():
            raise
        raise PluginError(
            f"{error}; the run's last state is stored: when this is fixed, resume with: "
            f"tlf resume {folder}, or with a fixed recipe: tlf RECIPE --resume --changed"
        ) from error


def _train_and_write(job: Job, folder: Path, state: State, started: float) -> Iterator[RunEvent]:
    with Checkpointer(folder, job, state) as checkpointer:
        try:
            for event in train(job, state):
                if isinstance(event, EpochResult):
                    record_epoch(folder, job, event)
                elif isinstance(event, SegmentStarted):
                    write_segments(folder, job, state.segments)
                yield event
                yield from checkpointer.after(event)
        except NotFiniteError as error:
            yield from checkpointer.fall_back()
            raise NotFiniteError(f"{error}{_how_to_go_on(folder, state.phase)}") from error
    yield write_end(folder, job, state, time.perf_counter() - started)


def _how_to_go_on(folder: Path, phase: int) -> str:
    """The last clause of an error after which a run can go on with another learning rate."""
    if not state_file(folder).is_file():
        return ""
    recipe = folder / "recipe.toml"
    return (
        "; the run's last sound state is stored: go on from it with "
        f"tlf {recipe} phases.{phase}.lr=… --resume --changed"
    )


def _agreed_folder(job: Job) -> Path:
    """Create the run folder in one process; every process gets its path."""
    name = [str(new_run_folder(job.recipe.output)) if job.accelerator.is_main_process else ""]
    if job.accelerator.num_processes > 1:
        broadcast_object_list(name)
    return Path(name[0])
