"""The result of ``tlf curve``."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tlf.notebook import Printed
from tlf.tasks import DEFAULT, TASKS
from tlf.tasks.metric import Metric

if TYPE_CHECKING:
    from tlf.metrics.figures import Figure
    from tlf.metrics.paired import Difference


@dataclass(frozen=True)
class Size:
    """How well probes do that are trained on so many images."""

    images: int
    accuracy: "Figure"
    """The rate of held-out images that are classified correctly, with a 95 % interval."""
    of_draws: tuple[float, ...]
    """The same for each draw."""


@dataclass(frozen=True)
class ClassCurve:
    """How well one class is recognised."""

    name: str
    images: int
    """Its train images."""
    trained_on: tuple[int, ...]
    """How many of them at each size."""
    recalls: tuple[float, ...]
    """The rate of its held-out images that are recognised, at each size; of a class that an image
    may have beside others, its average precision."""
    recall: "Figure"
    """At the largest size, with its interval."""
    gain: "Difference"
    """By how much it rises from the size ``LearningCurve.gain_from`` to the largest."""


@dataclass(frozen=True)
class Spread:
    """Where 95 % of the laws of a fan are."""

    low: float
    high: float


@dataclass(frozen=True)
class Forecast:
    """What the fan says of more images than there are."""

    factor: int
    """How many times the largest size."""
    images: int
    accuracy: Spread
    gain: Spread
    """By how much it is higher than at the largest size."""


@dataclass(frozen=True)
class Hindcast:
    """What a fan says of the largest size that has seen no more than half of it."""

    sizes_to: int
    """The largest size that it has seen."""
    images: int
    """The largest size."""
    foretold: Spread
    measured: float
    """The accuracy at the largest size."""

    @property
    def held(self) -> bool:
        """Whether the fan covers what was measured."""
        return self.foretold.low <= self.measured <= self.foretold.high


@dataclass(frozen=True)
class Fan:
    """Power laws, each fitted to another resample."""

    fitted_from: int
    """The smallest size that they are fitted to."""
    forecasts: tuple[Forecast, ...]
    hindcast: Hindcast | None
    """None where too few sizes are half of the largest."""
    band: tuple[tuple[float, Spread], ...] = field(repr=False)
    """Images → accuracy, up to the last forecast."""
    exponent: Spread
    """c of error = a + b · n^-c."""
    problem: str
    """Why the fan says nothing; empty where it does."""


@dataclass(frozen=True)
class LearningCurve(Printed):
    """Accuracy by number of train images. ``print`` shows it as the command line does."""

    source: str
    """The recipe or the folder."""
    backbone: str
    """Whose features the probes got."""
    images: int
    """Train images: each is held out by some draws, and trained on by the others."""
    sizes: tuple[Size, ...]
    """The smallest first."""
    classes: tuple[ClassCurve, ...]
    """The one that gains most first."""
    gain_from: int
    """The largest size that is no more than half of the last one; the smallest if none is."""
    gain: "Difference"
    """By how much the accuracy rises from there to the largest size."""
    fan: Fan | None
    """None with fewer than four sizes."""
    draws: int
    seed: int
    level: float
    """Of the interval of the gain of each class: those of all classes hold together in 95 %."""
    device: str
    notes: tuple[str, ...] = field(default=(), repr=False)
    """What a person should know about the images: one sentence each."""
    task: str = DEFAULT

    @property
    def metric(self) -> Metric:
        """What ``accuracy`` is: the main metric of the task."""
        return TASKS[self.task].metrics[0]

    @property
    def of_a_class(self) -> str:
        """What ``recall`` is: the recall, or the average precision of a class among all images."""
        return TASKS[self.task].of_a_class

    @property
    def of_a_class_means(self) -> str:
        """What that says."""
        return TASKS[self.task].of_a_class_means

    def lines(self) -> Iterator[str]:
        """The tables, as ``tlf curve`` prints them."""
        from tlf.studies.learning_curve.summary import lines

        return lines(self)
