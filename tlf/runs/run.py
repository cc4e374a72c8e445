"""Run a recipe."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from shutil import rmtree

from tlf.data.workers import lost_processes_named
from tlf.events import Notice
from tlf.recipe.plan import RecipeLike, plan_of
from tlf.runs.files import write_beginning
from tlf.runs.folder import RunStarted, check_writable, new_run_folder
from tlf.runs.hooks import with_run_hooks
from tlf.runs.owner import owned
from tlf.runs.provenance import start_notes
from tlf.runs.record import RunEvent, opened, train_recorded
from tlf.runs.tracking.tracking import Tracking, check_installed
from tlf.runtime.devices import join_processes
from tlf.runtime.processes import from_main
from tlf.training.job import Job
from tlf.training.segments.norms import norm_notes
from tlf.training.segments.pieces import fit_pieces
from tlf.training.state import State


def run(
    recipe: RecipeLike, overrides: Sequence[str] = (), *, earlier: Sequence[Job] = ()
) -> Iterator[RunEvent]:
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
        earlier: jobs of runs that have ended in this process (``RunStarted.job``). What cannot have
            changed since is not found out again: images whose files were not written, a backbone
            that was not trained, and what probes have shown of it. The run is the same to the last
            bit.

    Raises:
        TlfError: anything that a user can cause. Raised before training, it leaves no file.
        MemoryError, RuntimeError: Python's or torch's own error about too little memory.
    """
    started = time.perf_counter()
    plan = plan_of(recipe, overrides)
    with ExitStack() as exits:
        with lost_processes_named("start all processes again"):
            join_processes()
            from_main(lambda: check_writable(plan.recipe.output))
            from_main(lambda: check_installed(plan))
            job = yield from fit_pieces((yield from opened(plan, earlier)))
            tracking = exits.enter_context(Tracking(plan))
            folder, note = from_main(lambda: _begun(exits, job, tracking))
        yield RunStarted(folder, job, 0)
        start = start_notes(job.recipe, job.preprocessing)
        notes = [*job.splits.notes, *job.notes, *start, *norm_notes(job), *filter(None, [note])]
        yield from map(Notice, notes)
        training = tracking.follow(train_recorded(job, folder, State(), started))
        yield from with_run_hooks(job, folder, training, resumed=False)


def _begun(exits: ExitStack, job: Job, tracking: Tracking) -> tuple[Path, str | None]:
    """Create the folder of a new run, own it until the exits are closed, write its first files, and
    begin to track it. Where that fails, the folder is removed.
    """
    folder = new_run_folder(job.recipe.output)
    try:
        note = exits.enter_context(owned(folder))
        tracking.begin(folder)
        write_beginning(folder, job)
    except BaseException:  # Ctrl-C, too
        rmtree(folder, ignore_errors=True)
        raise
    return folder, note
