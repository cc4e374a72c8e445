"""The runs of a comparison: one for each recipe and seed. A run that is there is not made again."""

import tomllib
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

from tlf.errors import RunError, StoppedError
from tlf.events import Notice, Prepared
from tlf.recipe.files import dump, read_table
from tlf.recipe.plan import Plan
from tlf.runs.folder import has_ended, read_provenance
from tlf.runs.resume import resume
from tlf.runs.run import run
from tlf.runtime.files import is_run
from tlf.studies.compare.candidates import Candidate, run_folder
from tlf.studies.study_runs import Earlier, make_room, noted, shown


def make_run(
    candidate: Candidate, seed: int, folder: Path, which: str, earlier: Earlier
) -> Generator[Prepared | Notice, None, Path]:
    """Train a recipe with a seed, unless that was done before; return the folder of the run.

    Parameters:
        candidate: the recipe.
        seed: its seed.
        folder: of the comparison.
        which: which of how many runs it is, as a person reads it.
        earlier: the jobs of runs before it in this process; its own takes its place among them.

    Raises:
        RunError: a run of another recipe is there, or something that is no run.
        StoppedError: somebody asked the run to stop.
        TlfError: anything else that stops a run.
    """
    output = run_folder(folder, candidate.name, seed)
    plan = candidate.plan
    recipe = replace(plan.recipe, seed=seed, output=str(output), report=False, keep_state=False)
    plan = replace(plan, recipe=recipe)
    title = f"{candidate.name}, seed {seed} ({which})"
    if is_run(output):
        _check_same(output, plan)
        if not has_ended(output):
            yield from shown(resume(output), plan, title)
    else:
        make_room(output)
        events = run(plan, earlier=[*earlier.values()])
        yield from shown(noted(events, plan, earlier), plan, title)
    if not has_ended(output):
        advice = "what is done is kept: compare the same recipes again to go on"
        raise StoppedError(output, f"request in {title}", advice)
    return output


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
