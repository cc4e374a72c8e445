"""Runs that a study makes one after the other in one process: of comparisons and sweeps."""

import os
import tomllib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from typing import Any, TypeVar

from tlf.catalogue import Catalogue
from tlf.errors import RecipeError, RunError
from tlf.events import Notice, Prepared, Updated
from tlf.recipe.files import dump, read_table, resolve
from tlf.recipe.plan import Plan
from tlf.results import EpochResult
from tlf.runs.folder import RunStarted
from tlf.runs.identity import flat
from tlf.runs.owner import LOCK
from tlf.runs.record import RunEvent
from tlf.runs.run import run
from tlf.training.job import Job

Made = TypeVar("Made")
"""What making a run returns."""
_FIRST = {LOCK, "provenance.json"}
"""What a run writes before its recipe."""


@dataclass
class RunSeries:
    """Runs that are made one after the other: each takes over what does not change."""

    jobs: dict[str, Job] = field(default_factory=dict)
    """Backbone → the job of the last run with it, the latest last. One job for each backbone: a job
    holds its model."""
    told: set[str] = field(default_factory=set)
    """Notes that were told."""

    def run(self, plan: Plan) -> Iterator[RunEvent]:
        """Make the next run."""
        backbone = repr(plan.recipe.backbone)
        for event in run(plan, earlier=[*self.jobs.values()]):
            if isinstance(event, RunStarted):
                self.jobs.pop(backbone, None)  # the latest stands last
                self.jobs[backbone] = event.job
            yield event


def check_same_recipe(
    output: Path, plan: Plan, free: Sequence[str] = (), paths: Sequence[str] = ()
) -> None:
    """Check that a run that is there was made by the same recipe.

    Parameters:
        output: its folder, which may have been moved.
        plan: the recipe.
        free: keys that may differ.
        paths: keys under which paths may differ.

    Raises:
        RunError: it was not.
        RecipeError: its recipe is damaged.
    """
    recorded = _with_defaults(output / "recipe.toml", plan.plugins.catalogue)
    wanted = tomllib.loads(dump(plan.recipe, plan.plugins.catalogue))
    if wanted["accumulate"] == "auto":  # the run records the number that it found
        wanted["accumulate"] = recorded.get("accumulate")
    differ = differing(flat(recorded), flat(wanted), ("output", *free), paths)
    if (first := min(differ, default=None)) is not None:
        raise RunError(
            f"{output} holds a run of another recipe ({first} differs); write --output and "
            "another folder"
        )


def differing(
    one: Mapping[str, Any], other: Mapping[str, Any], free: Sequence[str], paths: Sequence[str]
) -> Iterator[str]:
    """The keys that two recipes have different values of.

    >>> named, moved = {"weights": "/a.pth", "weights_key": "a"}, {"weights": "/b.pth"}
    >>> [*differing(named, moved, [], ["weights"])]
    ['weights_key']
    >>> [*differing({"weights": "starter"}, moved, [], ["weights"])]
    ['weights']

    Parameters:
        one: dotted key → value, with absolute paths.
        other: the same of the other recipe.
        free: keys that may differ, with all that is in them.
        paths: keys that may differ where both values are paths. A name, such as that of weights,
            counts.
    """
    for key in dict.fromkeys([*one, *other]):  # one that is not set is in neither
        values = one.get(key), other.get(key)
        may_differ = _is_in(key, free) or (_is_in(key, paths) and all(map(_is_path, values)))
        if values[0] != values[1] and not may_differ:
            yield key


def _is_in(key: str, keys: Sequence[str]) -> bool:
    return any(f"{key}.".startswith(f"{one}.") for one in keys)


def _is_path(value: object) -> bool:
    return isinstance(value, str) and os.path.isabs(value)


def _with_defaults(path: Path, catalogue: Catalogue) -> dict[str, Any]:
    """A recorded recipe, with the options that are newer than the record at their defaults: a run
    of an earlier tlf is one of the same recipe. What is no recipe here is as it is recorded.

    Raises:
        RecipeError: it is no TOML.
    """
    content = read_table(path)
    try:
        return tomllib.loads(dump(resolve(content, catalogue, str(path)), catalogue))
    except RecipeError:
        return content


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
