"""The result of ``tlf probe``."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tlf.notebook import Printed
from tlf.tasks import DEFAULT, TASKS
from tlf.tasks.metric import Metric

if TYPE_CHECKING:
    from tlf.metrics.figures import Figure
    from tlf.metrics.paired import Difference


@dataclass(frozen=True)
class StageProbed:
    """How well the output of a stage, averaged over all places, tells the classes apart."""

    stage: str
    features: int
    """Its channels."""
    accuracy: "Figure"


@dataclass(frozen=True)
class ProbedBackbone:
    """What probes of one backbone have shown."""

    name: str
    backbone: Mapping[str, Any]
    """What a recipe calls it: the table ``[backbone]``."""
    accuracy: Mapping[str, "Figure"]
    """The probe, ``logistic`` or ``ridge`` → the main metric on held-out images: the
    rate that it classified correctly, or mAP; with a 95 % interval."""
    features: int
    """The length of an embedding."""
    parameters: int
    megabytes: float
    """10⁶ bytes of parameters and buffers."""
    seconds: float
    """The time of the network for an image, in a small batch on this device."""
    behind: "Difference | None" = None
    """By how much the logistic probe of this backbone is better than that of the first; None for
    the first itself."""
    stages: tuple[StageProbed, ...] = ()
    """From the first to the last; empty where they were not asked for."""


@dataclass(frozen=True)
class FailedBackbone:
    """A backbone that could not be probed."""

    name: str
    why: str


@dataclass(frozen=True)
class Probed(Printed):
    """What probes of several backbones have shown. ``print`` shows it as the command line does."""

    source: str
    """The recipe or the folder."""
    images: int
    """Images of the train split that probes were judged on."""
    class_counts: Mapping[str, int]
    """Class → its images."""
    folds: int
    repeats: int
    seed: int
    level: float
    """Of the interval of each difference: those of all pairs hold together in 95 %."""
    device: str
    backbones: tuple[ProbedBackbone, ...]
    """The highest accuracy of the logistic probe first."""
    failed: tuple[FailedBackbone, ...] = ()
    notes: tuple[str, ...] = field(default=(), repr=False)
    """What a person should know about the images: one sentence each."""
    task: str = DEFAULT

    @property
    def metric(self) -> Metric:
        """What ``accuracy`` is: the main metric of the task."""
        return TASKS[self.task].metrics[0]

    def lines(self) -> Iterator[str]:
        """The tables, as ``tlf probe`` prints them."""
        from tlf.studies.probe.summary import lines

        return lines(self)
