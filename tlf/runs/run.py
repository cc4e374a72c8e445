"""Run a recipe, or resume a run that was stopped."""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from shutil import rmtree

from tlf.data.workers import forget_workers, lost_worker
from tlf.errors import NotFiniteError, PluginError, RunError, StoppedError, UnwritableError
from tlf.plugins.attribution import blame_packages
from tlf.recipe.files import read_table
from tlf.recipe.paths import carried, path_keys
from tlf.recipe.plan import Plan, RecipeLike, plan_of, planned
from tlf.recipe.schema import Recipe
from tlf.results import (
    EpochResult,
    Notice,
    Prepared,
    RunResult,
    SegmentEnded,
    SegmentStarted,
    Stored,
)
from tlf.runs.changes import check_allowed, find_changes
from tlf.runs.files import (
    about_model,
    record_epoch,
    rewrite_epochs,
    write_beginning,
    write_chapter,
    write_end,
    write_recipe,
    write_segments,
)
from tlf.runs.folder import check_writable, has_ended, new_run_folder
from tlf.runs.further import check_further, rate_notes, recipe_from_best
from tlf.runs.hooks import heard
from tlf.runs.identity import check_processes, job_identity, plan_identity
from tlf.runs.owner import owned, owned_run
from tlf.runtime.devices import join_processes, start_accelerator
from tlf.runtime.files import absolute
from tlf.runtime.kernels import Kernels
from tlf.runtime.processes import from_main, lost_process
from tlf.runtime.stored.state import has_state, place, state_file
from tlf.training.checkpoint.checkpointer import Checkpointer
from tlf.training.checkpoint.extensions import clear_states
from tlf.training.checkpoint.state_file import restore
from tlf.training.job import Job, norm_notes, open_job, read_images
from tlf.training.state import State
from tlf.training.trainer import Event, stop, train


@dataclass(frozen=True)
class RunStarted:
    """A run has its folder and is about to train."""

    folder: Path
    job: Job = field(repr=False)
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
        training = _train(job, folder, State(), started)
        yield from heard(job, folder, training, resumed=False)


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
    started, folder = time.perf_counter(), absolute(run)
    with _lost_processes_named(_resume_with(folder)):
        join_processes()
        anew = bool(overrides) and from_main(lambda: has_ended(folder) and not has_state(folder))
    if anew:
        yield from _run_from_best(folder, overrides)
        return
    with ExitStack() as exits:
        with _lost_processes_named(_resume_with(folder)):
            # The folder may be on the machine of the main process alone.
            owning = owned_run(folder, further=bool(overrides))
            note = from_main(lambda: exits.enter_context(owning))
            job = yield from _opened(_plan_to_resume(folder, overrides))
            changes = from_main(lambda: find_changes(folder, job, overrides))
            check_allowed(folder, changes, changed=changed)
            stored = from_main(lambda: has_state(folder))
            ended = from_main(lambda: has_ended(folder))
            state = restore(state_file(folder), job) if stored else State()
            check_further(folder, job, state, changes, ended=ended)
        rewrite_epochs(folder, job, state.history)
        if changes.sentences:
            write_chapter(folder, job, len(state.history), changes)
        elif changes.moved:
            write_recipe(folder, job)
        yield RunStarted(folder, job, len(state.history))
        own = [*job.notes, *norm_notes(job), *filter(None, [note])]
        again = [] if stored else [_AGAIN]
        notes = [*changes.notes, *own, *state.notes, *rate_notes(job, state, changes), *again]
        yield from map(Notice, notes)
        if state.segment is not None:
            phase = job.recipe.phases[state.phase].name
            yield SegmentStarted(phase, state.epoch, state.segment.rates, state.segments[-1].start)
        training = _train(job, folder, state, started)
        yield from heard(job, folder, training, resumed=True)


_AGAIN = "the run was stopped before its first state was stored; it starts again"


def _run_from_best(folder: Path, overrides: Sequence[str]) -> Iterator[RunEvent]:
    content, note = from_main(lambda: recipe_from_best(folder, overrides))
    yield Notice(note)
    yield from run(planned(content, str(folder / "recipe.toml")))


def _kernels(recipe: Recipe) -> Kernels:
    return Kernels(
        tf32=recipe.tf32,
        deterministic=recipe.deterministic,
        cudnn_benchmark=recipe.cudnn_benchmark,
    )


def _opened(plan: Plan) -> Generator[Prepared | Notice | Stored, None, Job]:
    """Find the images, build the model, and read every image: the same in all processes."""
    clear_states(plan)
    _kernels(plan.recipe).reserve()
    accelerator = start_accelerator(plan.recipe.precision)
    paths = [*path_keys(plan.recipe)]
    check_processes(plan_identity(plan), paths)
    job = open_job(plan, accelerator)
    check_processes(job_identity(job), paths)
    return (yield from read_images(job))


def _plan_to_resume(folder: Path, overrides: Sequence[str]) -> Plan:
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
        fixed = f" --changed, or with other options: tlf resume {folder} KEY=VALUE"
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
    yield write_end(folder, job, state, time.perf_counter() - started, stopped)


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
        f"tlf resume {folder} phases.{phase}.lr=…"
    )
