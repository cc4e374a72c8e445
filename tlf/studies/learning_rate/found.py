"""The result of ``tlf lr``."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tlf.notebook import Printed
from tlf.tasks import DEFAULT, TASKS
from tlf.tasks.metric import Metric

if TYPE_CHECKING:
    from tlf.metrics.figures import Figure
    from tlf.metrics.paired import Difference


@dataclass(frozen=True)
class MeasuredRate:
    """What a head is worth that was trained at a rate, on images that it has not seen."""

    rate: float
    accuracy: "Figure | None"
    """With a 95 % interval; None where training broke off, as a loss was no finite number."""
    of_seeds: tuple[float, ...] = ()
    """The accuracy of each seed."""
    loss: float | None = None
    """The mean loss of the held-out images."""
    behind: "Difference | None" = None
    """By how much this rate is better than the best; None for the best itself."""

    @property
    def alike(self) -> bool:
        """Whether the rate cannot be told from the best."""
        return self.accuracy is not None and (self.behind is None or not self.behind.better)


@dataclass(frozen=True)
class HeadRates:
    """Rates of a phase that trains the head alone, on features that are computed once."""

    phase: str
    own: float
    """The rate of the recipe: the highest of the phase."""
    rates: tuple[MeasuredRate, ...]
    """The lowest first."""
    best: float
    """The rate with the highest accuracy; of several, that with the lowest loss."""
    suggestion: float
    """Of the best rate and those around it that cannot be told from it, the one with the lowest
    loss."""
    images: int
    """Train images that heads were judged on, each when it was held out."""
    epochs: int
    seeds: tuple[int, ...]
    folds: int
    level: float
    """Of the interval of each difference: those of all pairs hold together in 95 %."""
    at_once: bool
    """Whether the heads of all rates were trained as one wide head."""
    lines: tuple[str, ...]
    """What the phase's table says to train at the suggestion."""
    metric: Metric = TASKS[DEFAULT].metrics[0]
    """What ``accuracy`` is: the main metric of the task."""
    trained_before: tuple[str, ...] = ()
    """Earlier phases, of the head alone, which each head was trained in first."""
    left_out: tuple[str, ...] = ()
    """Earlier phases that a run trains first, and this study does not."""
    seen: bool = False
    """Whether the head that training starts from may have been trained on the held-out images."""

    @property
    def alike(self) -> tuple[float, float]:
        """The lowest and the highest rate around the best that cannot be told from it."""
        around = alike(self.rates, self.best)
        return around[0].rate, around[-1].rate


def alike(rates: Sequence[MeasuredRate], best: float) -> Sequence[MeasuredRate]:
    """The rates around the best that cannot be told from it: no other rate is between them."""
    low = high = next(n for n, one in enumerate(rates) if one.rate == best)
    while low > 0 and rates[low - 1].alike:
        low -= 1
    while high + 1 < len(rates) and rates[high + 1].alike:
        high += 1
    return rates[low : high + 1]


@dataclass(frozen=True)
class RangeTest:
    """How the loss of a phase went while its learning rate rose from step to step."""

    phase: str
    own: float
    """The rate of the recipe: the highest of the phase."""
    rates: tuple[float, ...]
    """Of each step, the highest of the phase; the others rise with it."""
    losses: tuple[float, ...]
    """Of each step, before its update."""
    smoothed: tuple[float, ...]
    """An average of the losses so far, in which later ones weigh more."""
    valley: tuple[float, float] | None
    """Between these rates the loss fell most; None where it did not fall by more than its noise."""
    suggestion: float | None
    """The rate in the middle of the valley; None without one."""
    exploded: float | None
    """The rate at which the smoothed loss was four times its lowest value, or a loss was no finite
    number; None where that never was."""
    trained_before: tuple[str, ...]
    """Earlier phases, of the head alone, which were trained first at the recipe's rates."""
    lines: tuple[str, ...]
    """What the phase's table says to train at the suggestion; empty without one."""
    left_out: tuple[str, ...] = ()
    """Earlier phases that a run trains first, and this study does not."""


@dataclass(frozen=True)
class LearningRates(Printed):
    """Learning rates for the phases of a recipe. ``print`` shows them as the command line does."""

    source: str
    """The recipe."""
    phases: tuple[HeadRates | RangeTest, ...]
    """In the order of the recipe."""
    device: str
    notes: tuple[str, ...] = field(default=(), repr=False)
    """What a person should know: one sentence each."""

    def lines(self) -> Iterator[str]:
        """The tables, as ``tlf lr`` prints them."""
        from tlf.studies.learning_rate.summary import lines

        return lines(self)
