"""Run a recipe, or resume a run that was stopped."""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from os import PathLike
from os.path import lexists
from pathlib import Path
from shutil import rmtree

from tlf.data.workers import forget_workers, lost_worker
from tlf.errors import NotFiniteError, PluginError, RunError, UnwritableError
from tlf.plugins.attribution import blame_packages
from tlf.recipe.files import read_table
from tlf.recipe.paths import carried, path_keys
from tlf.recipe.plan import Plan, RecipeLike, plan_of, planned
from tlf.recipe.schema import Recipe
from tlf.results import EpochResult, Notice, Prepared, RunResult, SegmentStarted, Stored
from tlf.runs.changes import check_none, find_changes
from tlf.runs.files import (
    record_epoch,
    rewrite_epochs,
    write_beginning,
    write_chapter,
    write_end,
    write_recipe,
    write_segments,
)
from tlf.runs.folder import check_writable, latest_run_folder, new_run_folder
from tlf.runs.identity import check_processes, job_identity, plan_identity
from tlf.runs.owner import owned, owned_run
from tlf.runtime.devices import join_processes, start_accelerator
from tlf.runtime.files import absolute
from tlf.runtime.kernels import Kernels
from tlf.runtime.processes import from_main, lost_process
from tlf.training.checkpoint.checkpointer import Checkpointer
from tlf.training.checkpoint.state_file import restore, state_file
from tlf.training.job import Job, norm_notes, open_job, read_images
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
    with ExitStack() as exits:
        with _lost_processes_named("start all processes again"):
            join_processes()
            from_main(lambda: check_writable(plan.recipe.output))
            job = yield from _opened(plan)
            folder, note = from_main(lambda: _begun(exits, job))
        yield RunStarted(folder, job, 0)
        yield from map(
            Notice, [*job.splits.notes, *job.notes, *norm_notes(job), *filter(None, [note])]
        )
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
        changed: resume although the recipe, the code or the images have changed. The run's folder
            records what changed, and the new recipe.

    Raises:
        RunError: there is nothing to resume, or the recipe, the code or the images have changed.
    """
    started, folder = time.perf_counter(), absolute(run)
    with ExitStack() as exits:
        with _lost_processes_named(_resume_with(folder)):
            join_processes()
            # The folder may be on the machine of the main process alone.
            note = from_main(lambda: exits.enter_context(owned_run(folder)))
            job = yield from _opened(_plan_to_resume(folder, recipe, overrides))
            changes = from_main(lambda: find_changes(folder, job))
            if not changed:
                check_none(folder, changes)
            # What stands there and is no file is named, and not taken for a run without a state.
            stored = from_main(lambda: lexists(state_file(folder)))
            state = restore(state_file(folder), job) if stored else State()
        rewrite_epochs(folder, job, state.history)
        if changes.sentences:
            write_chapter(folder, job, len(state.history), changes)
        elif changes.moved:
            write_recipe(folder, job)
        yield RunStarted(folder, job, len(state.history))
        own = [*job.notes, *norm_notes(job), *filter(None, [note])]
        notes = [*changes.notes, *own, *state.notes]
        yield from map(Notice, notes)
        if not stored:
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
        changed: resume although the recipe, the code or the images have changed.

    Raises:
        RunError: there is nothing to resume, or the recipe, the code or the images have changed.
    """
    plan = plan_of(recipe, overrides)
    with _lost_processes_named("start all processes again"):
        join_processes()
        folder = from_main(lambda: latest_run_folder(plan.recipe.output))
    if folder is None:
        raise RunError(f"there is no run in {plan.recipe.output} to resume; leave --resume out")
    yield from resume(folder, plan, changed=changed)


def _kernels(recipe: Recipe) -> Kernels:
    return Kernels(
        tf32=recipe.tf32,
        deterministic=recipe.deterministic,
        cudnn_benchmark=recipe.cudnn_benchmark,
    )


def _opened(plan: Plan) -> Generator[Prepared | Notice | Stored, None, Job]:
    """Find the images, build the model, and read every image: the same in all processes."""
    _kernels(plan.recipe).reserve()
    accelerator = start_accelerator(plan.recipe.precision)
    paths = [*path_keys(plan.recipe)]
    check_processes(plan_identity(plan), paths)
    job = open_job(plan, accelerator)
    check_processes(job_identity(job), paths)
    return (yield from read_images(job))


def _plan_to_resume(folder: Path, recipe: RecipeLike | None, overrides: Sequence[str]) -> Plan:
    if recipe is not None:
        return plan_of(recipe, overrides)
    path = folder / "recipe.toml"
    here = str(absolute("."))
    content, there = from_main(lambda: (read_table(path, overrides), here))
    return planned(carried(content, there, here), str(path))


def _resume_with(folder: Path) -> str:
    return f"resume with: tlf resume {folder}"


@contextmanager
def _lost_processes_named(advice: str) -> Iterator[None]:
    """Name the process that this one cannot do without, when it is lost.

    Raises:
        RunError: another process of the run, or one that loads images, has ended.
    """
    try:
        yield
    except (RuntimeError, OSError, EOFError, PluginError) as error:
        # A loss that shows while a plugin computes is not the plugin's fault.
        loss = (error.__cause__ or error) if isinstance(error, PluginError) else error
        lost = lost_process(loss) or lost_worker(loss)
        if lost is None:
            raise
        forget_workers()
        raise RunError(f"{lost}; {advice}") from error


def _train(job: Job, folder: Path, state: State, started: float) -> Iterator[RunEvent]:
    try:
        kernels = _kernels(job.recipe).used_on(job.accelerator.device)
        with (
            _lost_processes_named(_resume_with(folder)),
            blame_packages(job.plan.plugins.packages),
            kernels,
            job.loaders,
        ):
            yield from _train_and_write(job, folder, state, started)
    except (PluginError, UnwritableError) as error:
        # No state is stored here: the plugin may have failed in the middle of a step. A resumed run
        # repeats what came after the last state, calls of hooks included.
        if not state_file(folder).is_file():
            raise
        fixed = " --changed, or with a fixed recipe: tlf RECIPE --resume --changed"
        raise type(error)(
            f"{error}; the run's last state is stored: when this is fixed, resume with: "
            f"tlf resume {folder}{fixed if isinstance(error, PluginError) else ''}"
        ) from error


def _begun(exits: ExitStack, job: Job) -> tuple[Path, str | None]:
    """Create the folder of a new run, own it until the exits are closed, and write its first files.
    Where they cannot be written, the folder is removed.
    """
    folder = new_run_folder(job.recipe.output)
    try:
        note = exits.enter_context(owned(folder))
        write_beginning(folder, job)
    except RunError:
        rmtree(folder, ignore_errors=True)
        raise
    return folder, note


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
