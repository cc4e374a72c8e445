"""What a tracker is given: the recipe, the figures of each epoch, and those of the best one."""

import tomllib
from collections.abc import Iterator, Mapping

from tlf.epoch_lines import epoch_line
from tlf.recipe.files import dump
from tlf.recipe.plan import Plan
from tlf.results import EVAL, TRAIN, EpochResult
from tlf.runs.identity import flat
from tlf.trackers import Value


def config(plan: Plan) -> dict[str, Value]:
    """The recipe, but for the tracker itself: an address may hold a password."""
    recipe = flat(tomllib.loads(dump(plan.recipe, plan.plugins.catalogue)))
    return {key: value for key, value in recipe.items() if not key.startswith("tracking.")}


def epoch_figures(result: EpochResult) -> dict[str, float]:
    """The numbers in an epoch's line of metrics.jsonl; the signals and the learning rate of each
    stage below ``stages/``.

    >>> result = EpochResult("head", 0, 0.5, {"loss": 0.25}, 0.1, 4, 1.5, 160.0)
    >>> epoch_figures(result)["eval_loss"]
    0.25
    """
    return dict(_numbers(epoch_line(result)))


def best_figures(best: EpochResult, step: int) -> dict[str, float]:
    """The metrics of the best epoch, and which it is.

    >>> best_figures(EpochResult("head", 0, 0.5, {"loss": 0.25}, 0.1, 4, 1.5, 160.0), 1)
    {'best/epoch': 1.0, 'best/train_loss': 0.5, 'best/eval_loss': 0.25}
    """
    metrics = {
        f"best/{name}": figure
        for name, figure in epoch_figures(best).items()
        if name.startswith((EVAL, TRAIN))
    }
    return {"best/epoch": float(step), **metrics}


def _numbers(line: Mapping[str, object], path: str = "") -> Iterator[tuple[str, float]]:
    for name, value in line.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{path}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{path}{name}", float(value)
