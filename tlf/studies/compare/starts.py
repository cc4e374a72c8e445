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
        RecipeError: the weights of some recipes have seen more of the images than those of others:
            they are not comparable.
    """
    known: dict[Path, set[str]] = {}
    seen = {one.name: _seen(one, known) for one in chosen}
    if len({max(own.values(), default=0) for own in seen.values()}) > 1:
        _refuse(chosen, seen)
    images = _images(chosen[0])
    starts = {run: count for own in seen.values() for run, count in own.items()}
    for run, count in starts.items():
        names = [name for name, own in seen.items() if run in own]
        who = "all recipes start" if len(names) == len(seen) else f"{' and '.join(names)} starts"
        yield (
            f"{who} from {run}, which has trained on {count:,} of the {images:,} images that judge "
            "them: all figures are too high"
        )


def _seen(candidate: Candidate, known: dict[Path, set[str]]) -> Seen:
    splits = [find_splits(plan).eval for plan in candidate.plans]
    return seen_at_start(candidate.plan.recipe, splits, known)


def _images(candidate: Candidate) -> int:
    return sum(len(find_splits(plan).eval) for plan in candidate.plans)


def _refuse(chosen: Sequence[Candidate], seen: Mapping[str, Seen]) -> None:
    one = max(chosen, key=lambda each: max(seen[each.name].values(), default=0))
    run, count = max(seen[one.name].items(), key=lambda item: item[1])
    advice = "leave --folds out, or " if len(one.plans) > 1 else ""
    problem = (
        "recipes must start from weights that have seen equally many of the images that judge "
        "them, or none, got "
        f"{one.name}, which starts from {run}: that run has trained on {count:,} of the "
        f"{_images(one):,}; {advice}give the recipes eval images that are new to it, or start all "
        "of them from it"
    )
    raise RecipeError([problem], "compare")
