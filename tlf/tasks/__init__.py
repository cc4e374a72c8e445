"""What a model is asked for, decided once: what labels are, how logits become probabilities and
predictions, which metrics an evaluation gives, and which of them are better higher.

The engine asks ``TASKS[recipe.task]`` and never which task it is. Nothing here imports torch before
a tensor is made.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from tlf.tasks.metric import LOSS, Metric
from tlf.tasks.single_label import SingleLabel

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class Task(Protocol):
    """What a model is asked for.

    Letters for shapes: N images, K classes. A label is whatever ``Split.labels`` holds for an
    image; ``Tensor (N, …)`` is what ``labels`` makes of several.
    """

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What an evaluation gives beside the loss. The first one is shown and compared first."""

    def labels(self, labels: Sequence[Any]) -> "Tensor":
        """Labels of N images → (N, …)."""

    def targets(self, labels: "Tensor", num_classes: int) -> "Tensor":
        """Labels (N, …) → class probabilities (N, K), for augmentations that mix images."""

    def class_counts(self, labels: Sequence[Any], num_classes: int) -> list[int]:
        """How many images of each class there are."""

    def names(self, label: Any, classes: Sequence[str]) -> str:  # noqa: ANN401 - the task's own
        """A label in words."""

    def probabilities(self, logits: "Tensor") -> "Tensor":
        """Logits (N, K) → probabilities (N, K)."""

    def predicted(self, probabilities: "Tensor") -> "Tensor":
        """Probabilities (N, K) → labels (N, …)."""

    def evaluate(self, probabilities: "Tensor", labels: "Tensor") -> dict[str, float]:
        """Metric → figure, over all images: probabilities (N, K), labels (N, …)."""

    def plausible(self, loss: float) -> dict[str, float]:
        """Metric → a figure that an evaluation with this loss could give, to ask policies about
        epochs that nobody has trained yet.
        """

    def check_logits(self, logits: "Tensor", num_classes: int) -> None:
        """Make sure that a head fits the task.

        Raises:
            ValueError: what it gives is not (N, K).
        """

    def check_loss(self, loss: "Callable[[Tensor, Tensor], Tensor]", num_classes: int) -> None:
        """Make sure that a loss fits the task: one number for each image.

        Raises:
            ValueError: it gives something else.
        """


TASKS: Mapping[str, Task] = {"single-label": SingleLabel()}
"""What a recipe calls a task → the task."""

METRICS: Mapping[str, Metric] = {
    metric.name: metric for task in TASKS.values() for metric in (LOSS, *task.metrics)
}
"""Every metric of every task, by name. A name means the same in all of them."""

MONITORS: tuple[str, ...] = (*(f"eval_{name}" for name in METRICS), "train_loss")
"""The figures that early stopping, plateau schedules and the best epoch can go by."""

DEFAULT = "single-label"
"""The task of a recipe, and of a file of format 1, that names none."""

DEFAULT_MONITOR = f"eval_{TASKS[DEFAULT].metrics[0].name}"
"""What they go by where a recipe does not say it."""


def higher_is_better(monitor: str) -> bool:
    """Whether a monitored figure is better higher.

    >>> higher_is_better("eval_top1"), higher_is_better("train_loss")
    (True, False)
    """
    return METRICS[monitor.partition("_")[2]].higher_is_better


def describe(metrics: Mapping[str, float], width: int = 0) -> str:
    """The metrics of an evaluation for a person, without its loss.

    >>> describe({"loss": 0.25, "top1": 0.875})
    'top-1 87.50%'
    """
    known = {METRICS[name]: figure for name, figure in metrics.items() if name != LOSS.name}
    return ", ".join(
        f"{metric.title} {metric.shown(figure):>{width}}" for metric, figure in known.items()
    )
