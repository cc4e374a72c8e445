"""Frozen records of what happened: where a phase stands, what an epoch gave, what a run gave."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tlf.tasks import DEFAULT_MONITOR, higher_is_better


@dataclass(frozen=True)
class StageSignals:
    """How one stage, or the head, trained in an epoch: means over a few real updates."""

    grad_norm: float
    """Length of the gradient of all its parameters, before clipping; 0 where nothing trains."""
    weight_norm: float
    """Length of all its parameters."""
    update_ratio: float
    """Length of an update over the length of the weights that it changed."""


@dataclass(frozen=True)
class EpochResult:
    """What one epoch gave. Every figure is a mean over images, never over batches."""

    phase: str
    epoch: int
    """Position in its phase, counted from 0."""
    train_loss: float
    metrics: Mapping[str, float]
    """What the evaluation gave: ``loss`` and the metrics of the task, such as ``top1``. Each can
    also be read as an attribute: ``eval_loss``, ``eval_top1``."""
    lr: float
    """The highest learning rate at the last update of the epoch."""
    updates: int
    """Optimizer steps taken in this epoch."""
    seconds: float
    """Wall time of training and evaluation together."""
    images_per_second: float
    """Images trained on per second of training time."""
    stages: Mapping[str, StageSignals] = field(default_factory=dict)
    """Stage, from the stem to the top, and ``head`` → how it trained."""

    def __getattr__(self, name: str) -> float:
        """A metric of the evaluation: ``eval_`` and its name."""
        # Not by self.metrics: copying and unpickling ask before there are any fields.
        metrics = self.__dict__.get("metrics", {})
        if name.startswith(EVAL) and (metric := name.removeprefix(EVAL)) in metrics:
            figure: float = metrics[metric]
            return figure
        raise AttributeError(f"an EpochResult has no {name!r}")


EVAL = "eval_"
"""What the names of an evaluation's metrics begin with where other figures stand beside them."""


def epoch_line(result: EpochResult) -> dict[str, Any]:
    """A result as a line of metrics.jsonl, flat: ``eval_loss``, ``eval_top1``."""
    line: dict[str, Any] = {}
    for name, value in asdict(result).items():
        if name == "metrics":
            line |= {f"{EVAL}{metric}": figure for metric, figure in value.items()}
        else:
            line[name] = value
    return line


def epoch_result(line: Mapping[str, Any]) -> EpochResult:
    """Read what ``epoch_line`` and JSON made of an epoch's result.

    >>> result = EpochResult("head", 0, 0.5, {"loss": 0.25, "top1": 0.875}, 0.1, 4, 1.5, 160.0)
    >>> epoch_result(epoch_line(result)) == result
    True
    >>> result.eval_top1
    0.875
    """
    metrics = {k.removeprefix(EVAL): v for k, v in line.items() if k.startswith(EVAL)}
    rest = {name: value for name, value in line.items() if not name.startswith(EVAL)}
    stages = {stage: StageSignals(**figures) for stage, figures in line["stages"].items()}
    return EpochResult(**{**rest, "metrics": metrics, "stages": stages})


def merit(result: EpochResult, monitor: str) -> float:
    """The monitored figure, turned so that higher is better."""
    value = float(getattr(result, monitor))
    return value if higher_is_better(monitor) else -value


def plateaus(history: Iterable[EpochResult], monitor: str, patience: int) -> int:
    """How many times ``patience`` epochs in a row brought no new best figure."""
    best, waited, found = float("-inf"), 0, 0
    for result in history:
        value = merit(result, monitor)
        waited = 0 if value > best else waited + 1
        best = max(best, value)
        if waited == patience:
            waited, found = 0, found + 1
    return found


@dataclass(frozen=True)
class Progress:
    """Where a phase stands. Freeze policies and schedulers are pure functions of it.

    >>> Progress(epoch=1, epochs=4, update=5, updates=10).fraction
    0.375
    """

    epoch: int
    """The current epoch of the phase, counted from 0."""
    epochs: int
    """How many epochs the phase has at most."""
    update: int = 0
    """Optimizer steps done in this epoch, before the one that is about to be taken."""
    updates: int = 1
    """Optimizer steps in an epoch."""
    history: tuple[EpochResult, ...] = ()
    """Results of the epochs of this phase that are over."""
    monitor: str = DEFAULT_MONITOR
    """The figure that early stopping, plateau schedules and the best epoch go by."""

    @property
    def fraction(self) -> float:
        """How much of the phase is over: 0 at its first update, towards 1 at its last."""
        return (self.epoch + self.update / self.updates) / self.epochs


@dataclass(frozen=True)
class SegmentStarted:
    """A phase begins to train, or goes on with other parameters frozen."""

    phase: str
    epoch: int
    rates: Mapping[str, float]
    """Learning parameter → learning rate before the scheduler; all other parameters are frozen."""
    start: str = "images"
    """What the trainable part begins with: images, or what the frozen stages make of them."""


@dataclass(frozen=True)
class Updated:
    """The optimizer made a step, or a batch of the eval split was classified."""

    phase: str
    progress: Progress
    evaluating: bool
    done: int
    """Images of this epoch (or of the eval split) that are done, over all processes."""
    images: int
    """Images of this epoch (or of the eval split) altogether."""
    loss: float | None = None
    """Mean loss of the epoch so far, where it is known without waiting for the device."""


@dataclass(frozen=True)
class Prepared:
    """Something that is computed once has come a bit further."""

    title: str
    done: int
    images: int


@dataclass(frozen=True)
class Stored:
    """Something was computed once and for all, or had been by an earlier run."""

    title: str
    bytes: int
    reused: bool


@dataclass(frozen=True)
class Notice:
    """Something that a person should know."""

    text: str


@dataclass(frozen=True)
class RunResult:
    """What a run gave."""

    folder: str
    best: EpochResult
    history: tuple[EpochResult, ...]
    seconds: float
