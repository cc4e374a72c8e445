"""The runs of a comparison: one for each recipe and seed. A run that is there is not made again."""

import tomllib
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

from tlf.errors import RunError
from tlf.events import Notice, Prepared, Updated
from tlf.recipe.files import dump
from tlf.recipe.plan import Plan, plan_of
from tlf.results import EpochResult
from tlf.runs.folder import has_ended
from tlf.runs.record import RunEvent
from tlf.runs.resume import resume
from tlf.runs.run import run
from tlf.runtime.files import is_run
from tlf.studies.compare.candidates import Candidate

QUIET = ("report=false", "keep_state=false")
"""What every run of a comparison is overridden with, beside its seed and its folder."""


def make_run(
    candidate: Candidate, seed: int, folder: Path, which: str
) -> Generator[Prepared | Notice, None, Path]:
    """Train a recipe with a seed, unless that was done before; return the folder of the run.

    Parameters:
        candidate: the recipe.
        seed: its seed.
        folder: of the comparison.
        which: which of how many runs it is, as a person reads it.

    Raises:
        RunError: a run of another recipe is there.
        TlfError: anything that stops a run.
    """
    output = folder / "runs" / f"{_file(candidate.name)}-seed-{seed}"
    given = [f"seed={seed}", f"output={_quoted(output)}", *QUIET]
    plan = replace(plan_of(candidate.plan, given), splits=candidate.plan.splits)
    if not is_run(output):
        yield from _shown(run(plan), plan, f"{candidate.name}, seed {seed} ({which})")
        return output
    _check_same(output, plan)
    if not has_ended(output):
        yield from _shown(resume(output), plan, f"{candidate.name}, seed {seed} ({which})")
    return output


def _file(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)


def _quoted(path: Path) -> str:
    """A path as TOML's string, in which nothing is escaped.

    Raises:
        RunError: TOML has no such string.
    """
    text = str(path.absolute())
    if "'" in text or not text.isprintable():
        raise RunError(f"--output must have no quote in its path, got {text!r}; write another one")
    return f"'{text}'"


def _check_same(output: Path, plan: Plan) -> None:
    """Check that a run that is there was made by the same recipe."""
    recorded = tomllib.loads((output / "recipe.toml").read_text(encoding="utf-8"))
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
