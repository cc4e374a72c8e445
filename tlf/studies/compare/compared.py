"""The result of ``tlf compare``."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tlf.notebook import Printed
from tlf.tasks import DEFAULT, TASKS
from tlf.tasks.metric import Metric

if TYPE_CHECKING:
    from tlf.metrics.figures import Figure
    from tlf.metrics.paired import Difference


@dataclass(frozen=True)
class ComparedRecipe:
    """What runs of one recipe have shown."""

    name: str
    accuracy: "Figure"
    """The mean over images and seeds of the main metric, with an interval that covers both."""
    of_seeds: tuple[float, ...]
    """The same of each seed."""
    seconds: float
    """Mean time of a run: its epochs, evaluation included."""
    behind: "Difference | None" = None
    """By how much it is better than the best one; None for the best itself."""
    of_folds: tuple[float, ...] = ()
    """The mean over the seeds of each fold; empty without folds."""

    monitor: str = ""
    """The figure that chooses the best epoch of its runs, such as ``eval_top1``."""
    monitored: float | None = None
    """The mean of that figure in the best epochs; None where it is of the train images."""

    @property
    def each(self) -> tuple[float, ...]:
        """The accuracy of each fold, or without folds of each seed."""
        return self.of_folds or self.of_seeds


@dataclass(frozen=True)
class ComparedRun:
    """A run of a comparison has ended, which this process has trained."""

    title: str
    """Which recipe, which seed, and which of how many runs."""
    metric: Metric
    accuracy: float
    """The figure of the metric, of its best epoch."""
    folder: Path
    left: float
    """About how many seconds the runs after it take, if none of them is there; 0 until each recipe
    has run once."""

    def __str__(self) -> str:
        """The line that ``tlf compare`` prints."""
        from tlf.studies.compare.summary import progress_line

        return progress_line(self)


@dataclass(frozen=True)
class Compared(Printed):
    """Which of several recipes is better. ``print`` shows it as the command line does."""

    recipes: tuple[ComparedRecipe, ...]
    """The best first."""
    images: int
    """Eval images."""
    seeds: tuple[int, ...]
    level: float
    """Of the interval of each difference: those of all pairs hold together in 95 %."""
    device: str
    folder: Path
    """Where the runs are."""
    question: str = ""
    """What the preset asks."""
    task: str = DEFAULT
    folds: int = 0
    """Into so many the images were dealt, each of which was held out once; 0: into none."""
    groups: int | None = None
    """How many groups the images are in, which intervals are about; None: that is not known."""
    cautions: tuple[str, ...] = ()
    """Why all figures may be too high: one sentence each."""

    @property
    def metric(self) -> Metric:
        """What recipes are judged by: the main metric of their task."""
        return TASKS[self.task].metrics[0]

    @property
    def unit(self) -> str:
        """What results vary over, beside images."""
        return "folds" if self.folds else "seeds"

    def lines(self) -> Iterator[str]:
        """The table, as ``tlf compare`` prints it."""
        from tlf.studies.compare.summary import lines

        return lines(self)
