"""The progress of a phase, and the results of updates, epochs and runs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from tlf.notebook import epoch_table
from tlf.tasks import DEFAULT_MONITOR, metric_of
from tlf.tasks.metric import LOSS, Metric


@dataclass(frozen=True)
class StageSignals:
    """How one stage, or the head, trained in an epoch: means over a few of its steps."""

    grad_norm: float
    """Norm of the gradient of all its parameters, before clipping; 0 if it is frozen."""
    weight_norm: float
    """Norm of all its parameters."""
    update_ratio: float
    """Norm of the change in a step, divided by the norm of the weights that changed."""
    lr: float = 0.0
    """The highest learning rate of its parameters in the last step; 0 if it is frozen, or in a line
    of an older version."""

    @property
    def frozen(self) -> bool:
        """Whether nothing in it trained."""
        return self.grad_norm == self.update_ratio == self.lr == 0


@dataclass(frozen=True)
class EpochResult:
    """The result of an epoch. Every figure is a mean over images, never over batches."""

    phase: str
    epoch: int
    """Number of the epoch in its phase, from 0."""
    train_loss: float
    metrics: Mapping[str, float]
    """Figures of the evaluation: ``loss``, the metrics of the task, such as ``top1``, and those
    that the recipe names. Each is also an attribute: ``eval_loss``, ``eval_top1``."""
    lr: float
    """The highest learning rate in the last step of the epoch."""
    updates: int
    """Optimizer steps in this epoch."""
    seconds: float
    """Wall time of training and evaluation together."""
    images_per_second: float
    """Train images per second of training time."""
    stages: Mapping[str, StageSignals] = field(default_factory=dict)
    """Stage, from the stem to the top, and ``head`` → how it trained."""
    stopped: str | None = None
    """Where and why the run was stopped on request; in the last line of such a run."""
    train_metrics: Mapping[str, float] = field(default_factory=dict)
    """The task's train metric, such as ``top1``, over the train images: each as it was augmented,
    classified by the model as it was in the step that trained on it. It is also an attribute:
    ``train_top1``. Empty where it cannot be known: labels were mixed, or a plugin made the
    steps."""
    described: Mapping[str, Metric] = field(default_factory=dict)
    """Name → how a metric that the recipe names is shown and compared: a run's epochs are read
    without the plugin that offers it."""

    def metric(self, name: str) -> Metric:
        """How a metric of the evaluation is shown and compared."""
        return self.described.get(name) or metric_of(name)

    def __getattr__(self, name: str) -> float:
        """A figure of the evaluation, or of training: ``eval_`` or ``train_``, and its name."""
        # Not self.metrics: copy and pickle look for attributes before any field is set.
        for prefix, field_name in PREFIXES.items():
            metrics = self.__dict__.get(field_name, {})
            if name.startswith(prefix) and (metric := name.removeprefix(prefix)) in metrics:
                figure: float = metrics[metric]
                return figure
        raise AttributeError(f"an EpochResult has no {name!r}")

    def __repr__(self) -> str:
        """Its figures in a line.

        >>> EpochResult("head", 0, 0.5, {"loss": 0.25, "top1": 0.875}, 0.1, 4, 1.5, 160.0)
        EpochResult(phase='head', epoch=0, train_loss=0.5, eval_loss=0.25, eval_top1=0.875, lr=0.1)
        """
        figures = {
            "train_loss": self.train_loss,
            **{f"{EVAL}{name}": figure for name, figure in self.metrics.items()},
            "lr": self.lr,
        }
        text = ", ".join(f"{name}={figure:.4g}" for name, figure in figures.items())
        return f"EpochResult(phase={self.phase!r}, epoch={self.epoch}, {text})"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return epoch_table(f"{self.phase} {self.epoch + 1}", [self])


def for_plugins(results: Iterable[EpochResult]) -> tuple[EpochResult, ...]:
    """Copies of results: what a plugin writes into them does not change those of the run."""
    return tuple(
        replace(
            one,
            metrics={**one.metrics},
            stages={**one.stages},
            train_metrics={**one.train_metrics},
            described={**one.described},
        )
        for one in results
    )


EVAL = "eval_"
"""Prefix of the names of evaluation metrics, where they stand beside other figures."""

TRAIN = "train_"
"""The same for metrics of the training steps."""

PREFIXES = {EVAL: "metrics", TRAIN: "train_metrics"}
"""Prefix → field."""


def measured(results: Iterable[EpochResult]) -> list[Metric]:
    """The metrics of the evaluations beside the loss, the main one first."""
    found = {name: result.metric(name) for result in results for name in result.metrics}
    return [metric for name, metric in found.items() if name != LOSS.name]


def merit(result: EpochResult, monitor: str) -> float:
    """The monitored figure, with its sign changed if lower is better."""
    value = float(getattr(result, monitor))
    return value if _monitored(result, monitor).higher_is_better else -value


def _monitored(result: EpochResult, monitor: str) -> Metric:
    return result.metric(monitor.partition("_")[2])


def rank(result: EpochResult, monitor: str) -> tuple[float, ...]:
    """What epochs are compared by: the larger, the better.

    Of few images, many epochs have the same rate; the eval loss breaks such ties.
    """
    value = merit(result, monitor)
    return (value, -result.eval_loss) if _monitored(result, monitor).is_rate else (value,)


def plateaus(history: Iterable[EpochResult], monitor: str, patience: int) -> int:
    """How many times ``patience`` epochs in a row brought no new best figure."""
    best, waited, count = float("-inf"), 0, 0
    for result in history:
        value = merit(result, monitor)
        waited = 0 if value > best else waited + 1
        best = max(best, value)
        if waited == patience:
            waited, count = 0, count + 1
    return count


@dataclass(frozen=True)
class Progress:
    """How far a phase is. Freeze policies and schedulers are pure functions of it.

    >>> Progress(epoch=1, epochs=4, update=5, updates=10).fraction
    0.375
    """

    epoch: int
    """The current epoch of the phase, from 0."""
    epochs: int
    """The largest number of epochs that the phase may have."""
    update: int = 0
    """Optimizer steps of this epoch that are done; the next one is not counted."""
    updates: int = 1
    """Optimizer steps in the whole epoch."""
    history: tuple[EpochResult, ...] = field(default=(), repr=False)
    """Results of the epochs of this phase that are done."""
    monitor: str = DEFAULT_MONITOR
    """The figure that early stopping, plateau schedules and the best epoch are decided by."""

    @property
    def fraction(self) -> float:
        """The fraction of the phase that is done: 0 at its first step, almost 1 at its last."""
        return (self.epoch + self.update / self.updates) / self.epochs


@dataclass(frozen=True)
class UpdateResult:
    """What is known of an optimizer step without waiting for the device."""

    phase: str
    epoch: int
    """Number of the epoch in its phase, from 0."""
    update: int
    """Number of the step in its epoch, from 0."""
    updates: int
    """Optimizer steps in this epoch."""
    images: int
    """Images of this epoch that are trained on, over all processes."""
    lr: float
    """The highest learning rate of the step."""
    loss: float | None
    """Mean loss of the epoch in this process, as far as it was read from the device: at most 20
    steps ago. None before it was read."""


@dataclass(frozen=True)
class RunResult:
    """The result of a run."""

    folder: str
    best: EpochResult
    history: tuple[EpochResult, ...] = field(repr=False)
    seconds: float
    stopped: str | None = None
    """Where and why the run was stopped on request; None if it has trained all of its phases."""

    def _repr_html_(self) -> str:
        """What a notebook shows: the folder, the best epoch, and all epochs."""
        best = f"best: {self.best.phase} {self.best.epoch + 1}"
        stopped = "" if self.stopped is None else f"; {self.stopped}"
        return epoch_table(f"{self.folder}; {best}; {self.seconds:.0f} s{stopped}", self.history)


@dataclass(frozen=True)
class Neighbour:
    """A train image that looks like another image."""

    name: str
    """Its path, as the dataset has it."""
    label: str
    """The name of its class."""
    similarity: float
    """The cosine of the angle between the embeddings: 1 is the same image."""
    read: Callable[[], bytes] | None = field(default=None, repr=False, compare=False)
    """Its bytes; None where the image is not at hand."""
