"""Runs that a study makes one after the other in one process: of comparisons and sweeps."""

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from shutil import rmtree
from typing import TypeVar

from tlf.errors import RunError
from tlf.events import Notice, Prepared, Updated
from tlf.recipe.plan import Plan
from tlf.results import EpochResult
from tlf.runs.folder import RunStarted
from tlf.runs.owner import LOCK
from tlf.runs.record import RunEvent
from tlf.training.job import Job

Earlier = dict[str, Job]
"""Backbone → the job of the last run with it. A run takes over from them what does not change. One
job for each backbone: a job holds its model."""
Made = TypeVar("Made")
"""What making a run returns."""
_FIRST = {LOCK, "provenance.json"}
"""What a run writes before its recipe."""


def noted(events: Iterator[RunEvent], plan: Plan, earlier: Earlier) -> Iterator[RunEvent]:
    """The same events; the job of the run is noted among the earlier ones."""
    backbone = repr(plan.recipe.backbone)
    for event in events:
        if isinstance(event, RunStarted):
            earlier.pop(backbone, None)  # the latest stands last
            earlier[backbone] = event.job
        yield event


def make_room(output: Path) -> None:
    """Remove what is left of a run that was killed as it began.

    Raises:
        RunError: something else is there.
    """
    if not os.path.lexists(output):
        return
    names = {path.name for path in output.iterdir()} if output.is_dir() else {output.name}
    if others := {name for name in names if not name.startswith(".")} - _FIRST:
        raise RunError(
            f"{output} must be a run, got {min(others)!r} in what is none; remove it, and write "
            "the same command again"
        )
    rmtree(output)


def shown(events: Iterator[RunEvent], plan: Plan, title: str) -> Iterator[Prepared | Notice]:
    """How far a run is, in train images of all its epochs; and what a person should know."""
    epochs = sum(phase.epochs for phase in plan.recipe.phases)
    done = 0
    for event in events:
        if isinstance(event, Updated) and not event.evaluating:
            yield Prepared(title, done * event.images + event.done, epochs * event.images)
        elif isinstance(event, EpochResult):
            done += 1
        elif isinstance(event, Notice):
            yield event


def each_note_once(
    events: Generator[Prepared | Notice, None, Made],
    name: str,
    told: set[str],
    kind: Callable[[str], str] = str,
) -> Generator[Prepared | Notice, None, Made]:
    """The same events; notes begin with a name, and those that were told before are left out.

    Parameters:
        events: of making a run.
        name: of the recipe or the trial.
        told: kinds of the notes so far; more are added.
        kind: of a note: of several of one kind, only the first is told.
    """
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            made: Made = end.value
            return made
        if isinstance(event, Notice):
            if (found := kind(event.text)) in told:
                continue
            told.add(found)
            event = Notice(f"{name}: {event.text}")
        yield event
