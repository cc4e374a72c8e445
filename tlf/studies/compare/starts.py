"""What the recipes start from: a run that has trained on the images that judge it would win."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tlf.errors import RecipeError
from tlf.evaluation.doubts import seen_at_start
from tlf.recipe.plan import find_splits
from tlf.studies.compare.candidates import Candidate

Seen = Mapping[Path, int]
"""Run that a recipe starts from → how many of the images that judge it the run has trained on."""


def cautions(chosen: Sequence[Candidate]) -> Iterator[str]:
    """Why all figures may be too high: one sentence for each run.

    Raises:
        RecipeError: only some of the recipes start from such runs: they are not comparable.
    """
    seen = {one.name: _seen(one) for one in chosen}
    first, *others = seen.values()
    if any(one != first for one in others):
        _refuse(chosen, seen)
    images = _images(chosen[0])
    for run, count in first.items():
        yield (
            f"all recipes start from {run}, which has trained on {count:,} of the {images:,} "
            "images that judge them: all figures are too high"
        )


def _seen(candidate: Candidate) -> Seen:
    splits = [find_splits(plan).eval for plan in candidate.plans]
    return seen_at_start(candidate.plan.recipe, splits)


def _images(candidate: Candidate) -> int:
    return sum(len(find_splits(plan).eval) for plan in candidate.plans)


def _refuse(chosen: Sequence[Candidate], seen: Mapping[str, Seen]) -> None:
    one = next(each for each in chosen if seen[each.name])
    run, count = next(iter(seen[one.name].items()))
    advice = "leave --folds out, or " if len(one.plans) > 1 else ""
    problem = (
        "recipes must start from weights that have not seen the images that judge them, got "
        f"{one.name}, which starts from {run}: that run has trained on {count:,} of the "
        f"{_images(one):,}; {advice}give the recipes eval images that are new to it, or start all "
        "of them from it"
    )
    raise RecipeError([problem], "compare")
