"""The runs of a comparison: one for each recipe and seed. A run that is there is not made again."""

import os
import tomllib
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

from tlf.errors import RunError, StoppedError
from tlf.events import Notice, Prepared, Updated
from tlf.recipe.files import dump, read_table
from tlf.recipe.plan import Plan
from tlf.results import EpochResult
from tlf.runs.folder import has_ended, read_provenance
from tlf.runs.owner import LOCK
from tlf.runs.record import RunEvent, RunStarted
from tlf.runs.resume import resume
from tlf.runs.run import run
from tlf.runtime.files import is_run
from tlf.studies.compare.candidates import Candidate, folder_name
from tlf.training.job import Job

_FIRST = {LOCK, "provenance.json"}
"""What a run writes before its recipe."""


def make_run(
    candidate: Candidate, seed: int, folder: Path, which: str, earlier: dict[str, Job]
) -> Generator[Prepared | Notice, None, Path]:
    """Train a recipe with a seed, unless that was done before; return the folder of the run.

    Parameters:
        candidate: the recipe.
        seed: its seed.
        folder: of the comparison.
        which: which of how many runs it is, as a person reads it.
        earlier: backbone → the job of the last run with it in this process; this run takes its
            place. One job for each: a job holds its model.

    Raises:
        RunError: a run of another recipe is there, or something that is no run.
        StoppedError: somebody asked the run to stop.
        TlfError: anything else that stops a run.
    """
    output = folder / "runs" / f"{folder_name(candidate.name)}-seed-{seed}"
    plan = candidate.plan
    recipe = replace(plan.recipe, seed=seed, output=str(output), report=False, keep_state=False)
    plan = replace(plan, recipe=recipe)
    title = f"{candidate.name}, seed {seed} ({which})"
    if is_run(output):
        _check_same(output, plan)
        if not has_ended(output):
            yield from _shown(resume(output), plan, title)
    else:
        _make_room(output)
        events = run(plan, earlier=[*earlier.values()])
        yield from _shown(_noted(events, repr(recipe.backbone), earlier), plan, title)
    if not has_ended(output):
        advice = "what is done is kept: compare the same recipes again to go on"
        raise StoppedError(output, f"request in {title}", advice)
    return output


def _noted(events: Iterator[RunEvent], backbone: str, jobs: dict[str, Job]) -> Iterator[RunEvent]:
    """The same events; the job of the run is noted."""
    for event in events:
        if isinstance(event, RunStarted):
            jobs.pop(backbone, None)  # the latest stands last
            jobs[backbone] = event.job
        yield event


def _make_room(output: Path) -> None:
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


def check_same_images(first: Path, other: Path, split: str) -> None:
    """Check that two runs have seen the same images of a split, to the byte.

    Raises:
        RunError: they have not.
    """
    one, two = (read_provenance(run).get("data_sha256", {}).get(split) for run in (first, other))
    if one != two:
        raise RunError(
            f"runs must have the same {split} images, to the byte, and those of {other} differ "
            f"from those of {first}; give the recipes the same images, or, if images have changed, "
            "write --output and another folder"
        )


def _check_same(output: Path, plan: Plan) -> None:
    """Check that a run that is there was made by the same recipe.

    Raises:
        RunError: it was not.
        RecipeError: its recipe is damaged.
    """
    recorded = read_table(output / "recipe.toml")
    wanted = tomllib.loads(dump(plan.recipe, plan.plugins.catalogue))
    if wanted["accumulate"] == "auto":  # the run records the number that it found
        wanted["accumulate"] = recorded.get("accumulate")
    keys = wanted.keys() - {"output"}  # the folder may have been moved
    different = sorted(key for key in keys if recorded.get(key) != wanted[key])
    if different:
        raise RunError(
            f"{output} holds a run of another recipe ({different[0]} differs); write --output and "
            "another folder"
        )


def _shown(events: Iterator[RunEvent], plan: Plan, title: str) -> Iterator[Prepared | Notice]:
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
