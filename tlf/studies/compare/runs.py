"""The runs of a comparison: one for each recipe and seed. A run that is there is not made again."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

from tlf.errors import RunError, StoppedError
from tlf.events import Notice, Prepared
from tlf.inference.metadata import read_metadata
from tlf.inference.predictions import read_predictions
from tlf.recipe.plan import Plan, find_splits
from tlf.runs.folder import has_ended, read_provenance
from tlf.runs.resume import resume
from tlf.runtime.files import is_run
from tlf.studies.compare.candidates import Candidate, run_folder
from tlf.studies.study_runs import RunSeries, check_same_recipe, make_room, shown


def make_run(
    candidate: Candidate,
    seed: int,
    folder: Path,
    title: str,
    series: RunSeries,
    fold: int | None = None,
) -> Generator[Prepared | Notice, None, Path]:
    """Train a recipe with a seed, unless that was done before; return the folder of the run.

    Parameters:
        candidate: the recipe.
        seed: its seed.
        folder: of the comparison.
        title: which run it is, as a person reads it.
        series: the runs of the comparison in this process.
        fold: the fold that it is evaluated on, from 1; None: the images are not dealt into folds.

    Raises:
        RunError: a run of another recipe is there, or something that is no run.
        StoppedError: somebody asked the run to stop.
        TlfError: anything else that stops a run.
    """
    output = run_folder(folder, candidate.name, seed, fold)
    plan = candidate.plans[(fold or 1) - 1]
    recipe = replace(plan.recipe, seed=seed, output=str(output), report=False, keep_state=False)
    plan = replace(plan, recipe=recipe)
    if is_run(output):
        check_same_recipe(output, plan)
        if fold is not None and has_ended(output):
            check_same_fold(output, plan)
        if not has_ended(output):
            yield from shown(resume(output), plan, title)
    else:
        make_room(output)
        yield from shown(series.run(plan), plan, title)
    if not has_ended(output):
        advice = "what is done is kept: compare the same recipes again to go on"
        raise StoppedError(output, f"request in {title}", advice)
    return output


def check_same_fold(run: Path, plan: Plan) -> None:
    """Check that what a run held out is still in its fold: other images are dealt anew, and some
    would be in two folds.

    Raises:
        RunError: it has held out another one.
    """
    images, evaluated = {*find_splits(plan).eval.names}, read_predictions(run / "predictions.csv")
    others = (name for name in evaluated.names if name not in images)
    if (other := next(others, None)) is not None:
        raise RunError(
            f"{run} has evaluated {other}, which is in another fold now, or gone: images were "
            "added, removed or renamed since; put them back, or write --output and another folder"
        )


def figure_in(run: Path, name: str) -> float:
    """A figure of the best epoch of a run that has ended, such as ``eval_top1``."""
    return read_metadata(run / "head.safetensors").metrics[name]


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


def check_same_weights(first: Path, other: Path) -> None:
    """Check that runs of a recipe with the same seed, in several folds, started from the same
    weights.

    Raises:
        RunError: they have not.
    """
    one, two = (read_provenance(run).get("backbone_sha256") for run in (first, other))
    if one != two:
        raise _other_start(first, other)


def check_same_start(runs: Sequence[Path]) -> None:
    """Check that the runs of a recipe started from the same weights. Those that depend on the seed
    are others in each run.

    Raises:
        RunError: some are the same, and others are not.
    """
    starts = [read_provenance(run).get("backbone_sha256") for run in runs]
    if 1 < len({*starts}) < len(starts):
        odd = next(run for run, start in zip(runs, starts, strict=True) if start != starts[0])
        raise _other_start(runs[0], odd)


def _other_start(first: Path, odd: Path) -> RunError:
    return RunError(
        f"the runs of a recipe must start from the same weights, and those of {odd} differ from "
        f"those of {first}; put the old weights back and remove the runs that have others, or "
        "write --output and another folder"
    )
