"""The contract of a scheduler."""

import math
from collections.abc import Iterator
from dataclasses import replace

from tlf.components import Scheduler
from tlf.results import EpochResult, Progress
from tlf.testing.contract import check_options, no_random_numbers, raising_only, require
from tlf.testing.models import results
from tlf.testing.second_process import check_second_process

HOOK = "tlf_schedulers"
PHASES = ((1, 1), (2, 3), (5, 7), (2, 400), (150, 2))
"""Epochs, and updates in each: short phases, and some in which a factor may fall below 0."""
PURE = "factor(progress) is a pure function of the progress, so that a run can stop and resume"


def check_scheduler(scheduler: Scheduler) -> None:
    """Check that a scheduler keeps its contract.

    Its options survive a recipe. In phases of any length, even of one update, its factors are
    finite and 0 or more, and at least one is above 0. A factor is the same when it is computed
    again, in another order of updates, and in a second process. No random numbers are drawn.

    Raises:
        AssertionError: it breaks the contract; names the problem and the rule.
    """
    recipe = check_options(scheduler, HOOK)
    for epochs, updates in PHASES:
        series = list(_updates(epochs, updates))
        with no_random_numbers(scheduler, "factor"):
            factors = [_factor(scheduler, progress) for progress in series]
            again = [_factor(scheduler, progress) for progress in reversed(series)]
        require(
            factors == again[::-1],
            scheduler,
            "gives a different factor when it is called again",
            PURE,
        )
        require(
            max(factors) > 0,
            scheduler,
            f"gives 0 throughout a phase of {epochs} × {updates} updates",
            "a factor multiplies the learning rate; some update must train",
        )
    check_second_process(scheduler, HOOK, recipe)


def describe(scheduler: Scheduler) -> str:
    """Its factors in one phase."""
    return str([scheduler.factor(progress) for progress in _updates(5, 7)])


def _factor(scheduler: Scheduler, progress: Progress) -> float:
    with raising_only(scheduler, f"factor at epoch {progress.epoch}, update {progress.update}"):
        factor = scheduler.factor(progress)
    require(
        isinstance(factor, float | int) and math.isfinite(factor) and factor >= 0,
        scheduler,
        f"gives {factor!r} at epoch {progress.epoch}, update {progress.update}",
        "a factor is a finite Python number, 0 or more",
    )
    return float(factor)


def _updates(epochs: int, updates: int) -> Iterator[Progress]:
    history: list[EpochResult] = []
    for epoch, result in enumerate(results(epochs, ("stem",))):
        now = Progress(epoch, epochs, updates=updates, history=tuple(history))
        yield from (replace(now, update=update) for update in range(updates))
        history.append(result)
