"""The result of ``tlf sweep``, and its trials."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tlf.notebook import Printed
from tlf.tasks import DEFAULT

if TYPE_CHECKING:
    from tlf.studies.sweep.ranges import Value, Varied
    from tlf.tasks.metric import Metric

BEST, BASE = "best.toml", "base.toml"
COMPLETE, PRUNED, FAILED, RUNNING = "complete", "pruned", "failed", "running"


@dataclass(frozen=True)
class BestEpoch:
    """The best epoch of a trial so far."""

    phase: str
    epoch: int
    """From 0."""
    figure: float
    """What the recipe monitors."""
    loss: float
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Trial:
    """A run with settings that were suggested."""

    number: int
    state: str
    """``complete``; ``pruned``, which ended early; ``failed``; or ``running``."""
    values: "Mapping[str, Value]"
    """Key → what the trial sets."""
    best: BestEpoch | None = None
    epochs: int = 0
    """So many were trained."""
    seconds: float = 0.0
    """Of its epochs, evaluation included."""
    why: str = ""
    """Why it failed."""


@dataclass(frozen=True)
class TrialEnded:
    """A trial of this process has ended."""

    trial: Trial
    best: Trial | None
    """The best trial of the study so far."""
    metric: "Metric"
    ended: int
    """Trials of the study that have ended."""
    trials: int
    """Trials that were asked for."""
    left: float | None
    """About how many seconds the others take, with as many processes as now."""

    def __str__(self) -> str:
        """The line that ``tlf sweep`` prints."""
        from tlf.studies.sweep.summary import progress_line

        return progress_line(self)


@dataclass(frozen=True)
class Swept(Printed):
    """Which settings are the best so far. ``print`` shows it as the command line does."""

    trials: tuple[Trial, ...]
    """By number."""
    varied: "tuple[Varied, ...]"
    metric: "Metric"
    """What trials are compared by: that of their best epochs."""
    images: int
    """Eval images."""
    sampler: str
    pruning: bool
    source: str
    """The recipe."""
    overrides: tuple[str, ...]
    folder: Path
    base: Path
    """The recipe as it was swept: its file; or one beside the best recipe, where something was
    overridden, or a program has given it."""
    importance: Mapping[str, float] = field(default_factory=dict)
    """Key → its share in how the figure of the trials varies, by fANOVA; empty where there are too
    few trials to say."""
    task: str = DEFAULT

    @property
    def best_file(self) -> Path:
        """The recipe with the best settings."""
        return self.folder / BEST

    @cached_property
    def ranked(self) -> tuple[Trial, ...]:
        """The complete trials, the best first."""
        return ranked(self.trials, self.metric, by_loss=self.one_loss)

    @property
    def one_loss(self) -> bool:
        """Whether all trials have the same loss, so that their eval losses can be compared."""
        from tlf.studies.sweep.ranges import part_of

        return all(part_of(one.key) != "loss" for one in self.varied)

    def lines(self) -> Iterator[str]:
        """The table, as ``tlf sweep`` prints it."""
        from tlf.studies.sweep.summary import lines

        return lines(self)


def ranked(trials: "tuple[Trial, ...]", metric: "Metric", *, by_loss: bool) -> tuple[Trial, ...]:
    """The complete trials, the best first; of equal ones the earlier one.

    Parameters:
        trials: by number.
        metric: what they are compared by.
        by_loss: whether, of equal ones, that with the lower eval loss comes first.
    """
    sign = -1 if metric.higher_is_better else 1
    found = [(one.best, one) for one in trials if one.state == COMPLETE and one.best is not None]
    found.sort(key=lambda pair: (sign * pair[0].figure, pair[0].loss if by_loss else 0.0))
    return tuple(one for _, one in found)
