"""Which settings a trial gets, and whether it ends early: Optuna's samplers and its median rule.

Optuna computes on a copy of the study in memory. So each trial is a record in the journal that is
written at once, with all of its settings. What is suggested depends on the seed, on the number of
the trial and on what the trials before have shown.
"""

import warnings
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from tlf.errors import RunError, nearest
from tlf.runtime.seeds import derive
from tlf.studies.sweep.journal import FOUND
from tlf.studies.sweep.ranges import Choices, Range, Value, Varied
from tlf.studies.sweep.swept import FAILED

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

SAMPLERS = ("tpe", "random", "grid")
COMPLETE_FIRST = 5
"""So many trials train to their end before one ends early."""


def check_sampler(sampler: str, varied: Sequence[Varied]) -> None:
    """Check that there is such a sampler, and that it can vary these.

    Raises:
        RunError: it does not.
    """
    if sampler not in SAMPLERS:
        raise RunError(
            f"a sampler must be one of tlf's, got {sampler!r}; {nearest(sampler, SAMPLERS)}"
        )
    for one in varied:
        if sampler == "grid" and isinstance(one, Range) and not one.whole:
            raise RunError(
                f"a grid must have choices or whole numbers, got {one.key}={one}; write values "
                f"with commas, such as {one.key}={one.low},{one.high}"
            )


def most_trials(sampler: str, varied: Sequence[Varied]) -> int | None:
    """How many different trials there are; None where nobody counts them."""
    if sampler != "grid":
        return None
    count = 1
    for one in varied:
        count *= len(_values(one))
    return count


def _values(one: Varied) -> Sequence[Value]:
    return one.values if isinstance(one, Choices) else range(int(one.low), int(one.high) + 1)


def distributions(varied: Sequence[Varied]) -> "dict[str, BaseDistribution]":
    """What is varied, in Optuna's words."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    found: dict[str, BaseDistribution] = {}
    for one in varied:
        if isinstance(one, Choices):
            found[one.key] = CategoricalDistribution(one.values)
        elif one.whole:
            found[one.key] = IntDistribution(int(one.low), int(one.high), log=one.log)
        else:
            found[one.key] = FloatDistribution(one.low, one.high, log=one.log)
    return found


def suggest(
    trials: "Sequence[FrozenTrial]",
    varied: Sequence[Varied],
    sampler: str,
    seed: int,
    *,
    maximize: bool,
) -> dict[str, Value]:
    """The settings of the next trial."""
    number = len(trials)
    if sampler == "grid":
        return _grid_point(varied, number)
    study = _in_memory(trials, _sampler(sampler, derive(seed, "sweep", number)), maximize=maximize)
    return study.ask(distributions(varied)).params


def _grid_point(varied: Sequence[Varied], number: int) -> dict[str, Value]:
    """The settings of a number: the last key changes first."""
    point: dict[str, Value] = {}
    for one in reversed(varied):
        number, place = divmod(number, len(_values(one)))
        point[one.key] = _values(one)[place]
    return dict(reversed(point.items()))


def _sampler(name: str, seed: int) -> "BaseSampler":
    from optuna.exceptions import ExperimentalWarning
    from optuna.samplers import RandomSampler, TPESampler

    seed %= 2**32  # numpy's
    if name == "random":
        return RandomSampler(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # the liar is one in Optuna 4
        # A liar takes a running trial for a bad one, so that processes try different settings.
        return TPESampler(seed=seed, constant_liar=True)


def falls_behind(
    trials: "Sequence[FrozenTrial]", figures: Sequence[float], *, maximize: bool
) -> bool:
    """Whether a trial is worse than the median of those that were trained to their end: its best
    epoch so far, against theirs after as many epochs.

    Parameters:
        trials: all trials.
        figures: of the trial, after each epoch.
        maximize: whether a higher figure is better.
    """
    from optuna.pruners import MedianPruner
    from optuna.trial import TrialState, create_trial

    pruner = MedianPruner(n_startup_trials=COMPLETE_FIRST)
    steps = _best_so_far(figures, maximize=maximize)
    trial = create_trial(state=TrialState.RUNNING, intermediate_values=steps)
    return bool(pruner.prune(_in_memory(trials, None, maximize=maximize), trial))


def _in_memory(
    trials: "Sequence[FrozenTrial]", sampler: "BaseSampler | None", *, maximize: bool
) -> "Study":
    import optuna

    study = optuna.create_study(direction="maximize" if maximize else "minimize", sampler=sampler)
    study.add_trials([_copy(trial, maximize=maximize) for trial in trials])
    return study


def _copy(trial: "FrozenTrial", *, maximize: bool) -> "FrozenTrial":
    """A trial with its epochs, which the journal has in one record."""
    from optuna.trial import create_trial

    found: Mapping[str, Any] = trial.user_attrs.get(FOUND, {})
    figures = () if found.get("state") == FAILED else found.get("figures", ())
    return create_trial(
        state=trial.state,
        value=trial.value,
        params=trial.params,
        distributions=trial.distributions,
        intermediate_values=_best_so_far(figures, maximize=maximize),
    )


def _best_so_far(figures: Sequence[float], *, maximize: bool) -> dict[int, float]:
    """Epoch → the best figure until then.

    >>> _best_so_far([0.5, 0.7, 0.6], maximize=True)
    {0: 0.5, 1: 0.7, 2: 0.7}
    """
    return dict(enumerate(accumulate(figures, max if maximize else min)))
