"""The segments of a phase, as far as they are certain before it trains."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tlf.errors import PluginError
from tlf.model import Classifier
from tlf.recipe.plan import Plan
from tlf.recipe.schema import Phase
from tlf.results import Progress
from tlf.training.phases import foreseen_answers, frozen_in

MOST_EPOCHS = 1000
"""Policies are asked about so many epochs of a phase at most."""


@dataclass(frozen=True)
class ForeseenSegments:
    """Which parameters are frozen in which epochs of a phase."""

    certain: Mapping[frozenset[str], tuple[int, ...]]
    """Frozen parameters → the epochs, from 0, in which they are frozen, and no others."""
    possible: frozenset[frozenset[str]] | None = None
    """None where the number of the epoch decides what is frozen. Where policies look at the results
    of earlier epochs, ``certain`` holds the first epoch alone. These are what they would freeze
    later, as far as invented results tell."""


@dataclass(frozen=True)
class _Watched(Progress):
    """A progress that notes whether a policy looks at the results of earlier epochs."""

    looks: list[bool] = field(default_factory=list)

    def __getattribute__(self, name: str) -> object:
        if name == "history":
            super().__getattribute__("looks").append(True)
        return super().__getattribute__(name)


def foreseen_segments(plan: Plan, classifier: Classifier, phase: Phase) -> ForeseenSegments:
    """Ask the policies of a phase about each of its epochs.

    Raises:
        PluginError: a policy broke.
        ValueError: everything is frozen in an epoch, or a name is unknown.
    """
    start = Progress(0, phase.epochs, monitor=plan.recipe.monitor)
    epochs: dict[frozenset[str], list[int]] = {}
    for epoch in range(min(phase.epochs, MOST_EPOCHS)):
        progress = _Watched(epoch, phase.epochs, monitor=start.monitor)
        try:
            frozen = frozen_in(plan, classifier, phase, progress)
        except (PluginError, ValueError):
            if not progress.looks:  # otherwise it may miss the results, which there are none of
                raise
        if progress.looks:
            break
        epochs.setdefault(frozen, []).append(epoch)
    else:
        return ForeseenSegments({frozen: tuple(numbers) for frozen, numbers in epochs.items()})
    first = frozen_in(plan, classifier, phase, start)
    answers = foreseen_answers(plan, classifier, phase, start)
    possible = {one for _, every in answers for one in every if isinstance(one, frozenset)}
    return ForeseenSegments({first: (0,)}, frozenset(possible))
