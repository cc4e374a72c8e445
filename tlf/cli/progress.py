"""Show a run: with a progress bar on a terminal, with plain lines in a file or a notebook."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, overload

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from tlf.cache.store import readable_size
from tlf.cli.lines import audit_lines, epoch_text
from tlf.cli.output import say
from tlf.errors import in_shell
from tlf.events import (
    Notice,
    Prepared,
    SegmentEnded,
    SegmentStarted,
    SimulatorStarted,
    Stored,
    Updated,
)
from tlf.notebook import Printed
from tlf.recipe.augment import crop_line
from tlf.results import EpochResult, RunResult
from tlf.runs.folder import RunStarted, more_epochs
from tlf.runtime.cores import is_first
from tlf.runtime.stored.state import state_file
from tlf.runtime.text import printable
from tlf.studies.compare.compared import ComparedRun
from tlf.studies.sweep.swept import TrialEnded
from tlf.tasks import describe as describe_metrics

if TYPE_CHECKING:
    from tlf.training.job import Job
    from tlf.training.trainer import Event

Found = TypeVar("Found", bound=Printed)
"""What a check or a study has found. It is printed as it is."""
Ended = ComparedRun | TrialEnded
"""A run of a study has ended. Its line is its text."""
SECONDS_BETWEEN_LINES = 10.0
"""The time between two lines about the same epoch where there is no bar."""


@overload
def show(  # type: ignore[overload-overlap]  # both have events of preparing
    events: "Iterable[RunStarted | Event | RunResult | SimulatorStarted]",
    console: Console | None = None,
) -> RunResult | None: ...
@overload
def show(
    events: Iterable[Prepared | Notice | Stored | Ended | Found],
    console: Console | None = None,
) -> Found | None: ...
def show(
    events: "Iterable[RunStarted | Event | RunResult | SimulatorStarted | Ended | Found]",
    console: Console | None = None,
) -> RunResult | Found | None:
    """Show a run, a check or a study until it ends: ``tlf.show(tlf.run("recipe.toml"))``.

    A terminal shows a progress bar; a file or a notebook gets a plain line every 10 seconds.

    Parameters:
        events: what ``run``, ``resume``, ``check`` or a study such as ``compare`` yields.
        console: where to print; stdout by default.

    Returns:
        The result of the run, the check or the study; None if none was yielded.
    """
    console, job, event = console or _console(), None, None
    with _Bar(console) if _has_bar(console) else _Lines(console) as progress:
        for event in events:
            job = event.job if isinstance(event, RunStarted) else job
            if not (job.accelerator.is_main_process if job else is_first()):
                continue
            if isinstance(event, Updated | Prepared):
                progress.update(event)
                continue
            progress.clear()
            if isinstance(event, Printed):
                say(console, f"\n{event}")
            else:
                _show_one(event, job, console)
    return event if isinstance(event, RunResult | Printed) else None


def _console() -> Console:
    """A terminal's or a file's console; in a notebook one that writes plain text to stdout.

    What rich shows in a notebook has to come from the notebook's own process, and processes that
    ``notebook_launcher`` starts are others.
    """
    console = Console()
    if console.is_jupyter:
        return Console(force_jupyter=False, force_terminal=False)
    return console


def _has_bar(console: Console) -> bool:
    # A console that a program gives may be a notebook's: a moving bar would need ipywidgets there.
    return console.is_terminal and not console.is_jupyter


def _show_one(event: object, job: "Job | None", console: Console) -> None:
    match event:
        case RunStarted():
            _show_start(event, console)
        case SegmentStarted() if job is not None:
            text = f"\nphase {event.phase}, from epoch {event.epoch + 1}, trains from {event.start}"
            say(console, text)
            say(console, _stages(job, event))
        case SegmentEnded() | Stored() | SimulatorStarted() | ComparedRun() | TrialEnded():
            say(console, _text(event))
        case Notice():
            say(console, f"note: {event.text}", "yellow")
        case EpochResult():
            widths = [] if job is None else [len(phase.name) for phase in job.recipe.phases]
            say(console, epoch_text(event, max(widths, default=0)))
        case RunResult():
            _show_end(event, console)


def _stages(job: "Job", event: SegmentStarted) -> str:
    # What shows other events does not wait for torch.
    from tlf.runs.story.stages import stage_rows
    from tlf.runs.story.text import stage_table

    rows = stage_rows(job.classifier, event.rates)
    return "\n".join(stage_table((row, row.state, row.rates) for row in rows))


def _text(event: SegmentEnded | Stored | SimulatorStarted | Ended) -> str:
    match event:
        case SegmentEnded():
            return "\n".join(audit_lines(event.audit))
        case Stored():
            return _stored_line(event)
        case SimulatorStarted():
            return f"page      {event.address}"
    return str(event)


def _stored_line(event: Stored) -> str:
    origin = "found, computed by an earlier run" if event.reused else "computed once"
    return f"stored    {event.title}: {origin}, {readable_size(event.bytes)}"


def _show_start(event: RunStarted, console: Console) -> None:
    from tlf.runtime.devices import describe

    job = event.job
    train, evaluated = len(job.splits.train), len(job.splits.eval)
    classes = ", ".join(job.splits.classes[:8]) + (" …" if len(job.splits.classes) > 8 else "")
    epochs = f"{event.epochs} epoch{'s' if event.epochs > 1 else ''}"
    resumed = f", resumed after {epochs}" if event.epochs else ""
    say(console, f"run       {event.folder}{resumed}")
    test = "" if job.splits.test is None else f", {len(job.splits.test):,} kept for the end"
    say(console, f"images    {train:,} to train on, {evaluated:,} to evaluate on{test}: {classes}")
    if line := crop_line(job.recipe):
        say(console, f"crops     {line}")
    say(console, f"device    {describe(job.accelerator)}")


def _show_end(result: RunResult, console: Console) -> None:
    best = result.best
    stopped = "" if result.stopped is None else f"\n{result.stopped}"
    metrics = describe_metrics(best.metrics, described=best.described)
    say(
        console,
        f"{stopped}\nbest      {best.phase} {best.epoch + 1}: {metrics}, "
        f"eval loss {best.eval_loss:.4f}; {result.seconds:.0f} s in total\n"
        f"model     {result.folder}/model.safetensors\n"
        f"head      {result.folder}/head.safetensors\n"
        f"try it    tlf predict {in_shell(result.folder)} IMAGE…",
    )
    if result.stopped is not None:
        say(console, f"go on     tlf resume {in_shell(result.folder)}")
    elif (state := state_file(Path(result.folder))).is_file():
        size = readable_size(state.stat().st_size)
        say(console, f"go on     {more_epochs(Path(result.folder))} (its state: {size})")


class _Progress(Protocol):
    """Shows the progress of an epoch."""

    def update(self, event: Updated | Prepared) -> None: ...
    def clear(self) -> None: ...


class _Bar:
    """A bar at the bottom of a terminal."""

    def __init__(self, console: Console) -> None:
        self.progress = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(),
            TextColumn("{task.fields[figures]}", markup=False), TimeRemainingColumn(),
            console=console, transient=True,
        )  # fmt: skip
        self.task: TaskID | None = None
        self.title = ""
        self.started = 0.0

    def __enter__(self) -> "_Bar":
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def update(self, event: Updated | Prepared) -> None:
        """Move the bar; begin a new one when the title changes."""
        title = _title(event)
        if self.task is None or title != self.title:
            self.clear()
            self.title, self.started = title, time.perf_counter()
            self.task = self.progress.add_task(printable(title), total=event.images, figures="")
        self.progress.update(self.task, completed=event.done, figures=_figures(event, self.started))

    def clear(self) -> None:
        """Remove the bar."""
        if self.task is not None:
            self.progress.remove_task(self.task)
            self.task = None


class _Lines:
    """Plain lines, some seconds apart."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.title = ""
        self.started = self.last = 0.0

    def __enter__(self) -> "_Lines":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, event: Updated | Prepared) -> None:
        """Print a line if the last one is older than ``SECONDS_BETWEEN_LINES``."""
        now, title = time.perf_counter(), _title(event)
        if title != self.title:
            self.title, self.started, self.last = title, now, now
        if now - self.last >= SECONDS_BETWEEN_LINES:
            self.last = now
            left = (now - self.started) * (event.images - event.done) / max(1, event.done)
            figures = _figures(event, self.started)
            say(self.console, f"{title}: {figures}, {left:.0f} s left")

    def clear(self) -> None:
        """Do nothing: printed lines stay."""


def _title(event: Updated | Prepared) -> str:
    if isinstance(event, Prepared):
        return event.title
    epoch = f"{event.phase} {event.progress.epoch + 1}/{event.progress.epochs}"
    return f"{epoch} eval" if event.evaluating else epoch


def _figures(event: Updated | Prepared, started: float) -> str:
    if not event.done:
        return ""
    seconds = time.perf_counter() - started
    rate = f", {event.done / seconds:.0f} images/s" if seconds > 0.5 else ""
    loss = event.loss if isinstance(event, Updated) else None
    return f"{event.done:,}/{event.images:,}{rate}" + ("" if loss is None else f", loss {loss:.4f}")
