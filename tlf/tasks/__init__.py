"""What a task is: what labels are, how logits become probabilities and predictions, and which
metrics an evaluation gives.

The engine calls the methods of ``TASKS[recipe.task]`` and never asks which task it is. Torch is
imported when the first tensor is made.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tlf.tasks.metric import LOSS, Metric
from tlf.tasks.multi_label import MultiLabel
from tlf.tasks.single_label import SingleLabel
from tlf.tasks.task import Task as Task

TASKS: Mapping[str, Task] = {"single-label": SingleLabel(), "multi-label": MultiLabel()}
"""Name in a recipe → task."""

METRICS: Mapping[str, Metric] = {
    metric.name: metric for task in TASKS.values() for metric in (LOSS, *task.metrics)
}
"""Name → metric, of all tasks. A name means the same in all of them."""

MONITORS: tuple[str, ...] = (*(f"eval_{name}" for name in METRICS), "train_loss")
"""Figures that early stopping, plateau schedules and the best epoch can be decided by, of all
tasks. A recipe that names ``metrics`` can write theirs, too."""

DEFAULT = "single-label"
"""The task of a recipe or a file of format 1 that names none."""


def task_of(labels: Sequence[Any]) -> Task:
    """The task that such labels are for.

    >>> task_of([(0, 2), ()]) is TASKS["multi-label"], task_of([0]) is TASKS["single-label"]
    (True, True)
    """
    return TASKS["multi-label" if len(labels) and isinstance(labels[0], tuple) else DEFAULT]


def tasks_of(component: object) -> tuple[str, ...]:
    """The names of the tasks that a loss or a metric says it fits. One that says nothing was
    written for one label per image, and may take labels (N, K) for probabilities without an error.

    >>> tasks_of(object())
    ('single-label',)
    """
    found: tuple[str, ...] = getattr(component, "tasks", (DEFAULT,))
    return found


def monitors(task: str) -> tuple[str, ...]:
    """The monitors of a task; the first is that of a recipe that names none.

    >>> monitors("single-label")
    ('eval_top1', 'eval_loss', 'train_loss')
    """
    names = [*(metric.name for metric in TASKS[task].metrics), LOSS.name]
    return (*(f"eval_{name}" for name in names), "train_loss")


def left_out(task: str) -> dict[str, str]:
    """What a recipe of a task means that leaves the key out.

    >>> left_out("multi-label")
    {'monitor': 'eval_map', 'loss': 'binary-cross-entropy'}
    """
    return {"monitor": monitors(task)[0], "loss": TASKS[task].default_loss}


DEFAULT_MONITOR = monitors(DEFAULT)[0]
"""The monitor of a recipe that names neither it nor a task."""


def metric_of(name: str) -> Metric:
    """The metric of a name. One that this tlf does not know, because another version wrote it, is
    shown by its name.
    """
    return METRICS.get(name) or Metric(name, name, higher_is_better=True, is_rate=False)


def describe(
    metrics: Mapping[str, float], width: int = 0, described: Mapping[str, Metric] | None = None
) -> str:
    """The metrics of an evaluation for a person, without its loss.

    Parameters:
        metrics: name → figure.
        width: of a figure.
        described: what is known of metrics that a recipe names.

    >>> describe({"loss": 0.25, "top1": 0.875})
    'top-1 87.50%'
    """
    known = described or {}
    figures = {
        known.get(name) or metric_of(name): figure
        for name, figure in metrics.items()
        if name != LOSS.name
    }
    return ", ".join(
        f"{metric.title} {metric.shown(figure):>{width}}" for metric, figure in figures.items()
    )
