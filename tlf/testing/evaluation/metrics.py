"""The contract of a metric."""

from collections.abc import Sequence
from contextlib import suppress

import torch
from torch import Tensor

from tlf.components import Metric
from tlf.plugins.validation import fault
from tlf.recipe.metrics import described_by, figure_fault
from tlf.runtime.seeds import seeded
from tlf.tasks import TASKS, Task
from tlf.testing.contract import check_options, first_task, no_random_numbers, raising_only, require
from tlf.testing.second_process import check_second_process

HOOK = "tlf_metrics"
CLASSES = (2, 3, 7)
"""Numbers of classes that a metric is tried with."""
IMAGES = 12


def check_metric(metric: Metric, task: str | None = None) -> None:
    """Check that a metric keeps its contract.

    Its options survive a recipe, and its class says its title, whether higher is better, and
    whether it is a rate. It gives a finite number of Python's: for any number of classes for which
    it does not raise a ValueError, for one image, for one class, for equal and for certain
    probabilities. A rate is from 0 to 1. The number is better where all images are classified
    rightly than where none is. It is the same in every call, for any order of the images, and in a
    second process. Nothing that it is given changes, and no random numbers are drawn.

    Parameters:
        metric: the component, with its options.
        task: what the models that it measures are trained for: ``single-label`` or ``multi-label``,
            where labels are (N, K), and images without a label are tried, too; None: the first of
            its ``tasks``.

    Raises:
        AssertionError: it breaks the contract; names the problem and the rule.
    """
    recipe = check_options(metric, HOOK)
    problem = fault(HOOK, type(metric))
    rule = "its class says what the figure is, in plain values"
    require(problem is None, metric, str(problem), rule)
    of = TASKS[task or first_task(metric)]
    known = [classes for classes in CLASSES if _takes(metric, of, classes)]
    require(
        bool(known),
        metric,
        f"raises a ValueError for {', '.join(map(str, CLASSES))} classes",
        "it measures models of at least one of these numbers of classes",
    )
    for classes in known:
        _check_cases(metric, of, classes)
        _check_direction(metric, of, classes)
    check_second_process(metric, HOOK, recipe)


def describe(metric: Metric) -> str:
    """Its figures for a few predictions of each task that it can measure."""
    figures = []
    for task in TASKS.values():
        with suppress(AssertionError):  # it is for another task
            figures += [
                metric.measure(*_case(task, classes))
                for classes in CLASSES
                if _takes(metric, task, classes)
            ]
    return str(figures)


def _takes(metric: Metric, task: Task, classes: int) -> bool:
    try:
        with raising_only(metric, f"measure with {classes} classes", ValueError):
            metric.measure(*_case(task, classes))
    except ValueError:
        return False
    return True


def _check_cases(metric: Metric, task: Task, classes: int) -> None:
    probabilities, labels = _case(task, classes)
    figure = _figure(metric, probabilities, labels, f"{classes} classes")
    again = _figure(metric, probabilities, labels, f"{classes} classes")
    require(figure == again, metric, "gives another number when it is called again", "it is pure")
    order = torch.arange(len(labels)).flip(0)
    turned = _figure(metric, probabilities[order], labels[order], "images in another order")
    require(
        abs(turned - figure) <= 1e-5 * max(1.0, abs(figure)),
        metric,
        f"gives {figure}, and {turned} for the same images in another order",
        "the order of the images says nothing about the model",
    )
    equal = task.probabilities(torch.zeros_like(probabilities))
    for name, shares, of in (
        ("labels of one class", probabilities, _labels(task, [0] * IMAGES, classes)),
        ("one image", probabilities[:1], labels[:1]),
        ("equal probabilities", equal, labels),
        ("probabilities of 0 and 1", _certain(task, labels, classes), labels),
    ):
        _figure(metric, shares, of, name)
    _check_without_labels(metric, task, probabilities)


def _check_without_labels(metric: Metric, task: Task, probabilities: Tensor) -> None:
    """Where images may have no label, none of them may have one."""
    classes = probabilities.shape[1]
    names = [str(k) for k in range(classes)]
    of = [task.label(str(k % classes), names) for k in range(IMAGES)]
    if left := [*task.among(of, ()).values()]:
        _figure(metric, probabilities, task.labels(left, classes), "images without a label")


def _check_direction(metric: Metric, task: Task, classes: int) -> None:
    _, labels = _case(task, classes)
    others = _labels(task, [(k + 1) % classes for k in range(IMAGES)], classes)
    right = _figure(metric, _certain(task, labels, classes), labels, "right predictions")
    wrong = _figure(metric, _certain(task, others, classes), labels, "wrong predictions")
    better = right > wrong if metric.higher_is_better else right < wrong
    require(
        better,
        metric,
        f"gives {right} where all images are classified rightly, {wrong} where none is, and says "
        f"higher_is_better = {metric.higher_is_better}",
        "the best epoch is chosen by it",
    )


def _figure(metric: Metric, probabilities: Tensor, labels: Tensor, what: str) -> float:
    before = probabilities.clone(), labels.clone()
    with raising_only(metric, f"measure with {what}"), no_random_numbers(metric, "measure"):
        figure = metric.measure(probabilities, labels)
    require(
        torch.equal(probabilities, before[0]) and torch.equal(labels, before[1]),
        metric,
        f"changes what it is given, with {what}",
        "it computes new tensors: other metrics get the same ones",
    )
    problem = figure_fault(described_by("checked", metric), figure)
    rule = "it gives a finite number of Python's for any predictions; a rate is from 0 to 1"
    require(problem is None, metric, f"fails with {what}: {problem}", rule)
    return float(figure)


def _case(task: Task, classes: int) -> tuple[Tensor, Tensor]:
    with seeded(classes, "metric"):
        logits = torch.randn(IMAGES, classes)
    return task.probabilities(logits), _labels(task, [k % classes for k in range(IMAGES)], classes)


def _labels(task: Task, of: Sequence[int], classes: int) -> Tensor:
    """The labels of images that have one class each."""
    names = [str(k) for k in range(classes)]
    return task.labels([task.label(str(k), names) for k in of], classes)


def _certain(task: Task, labels: Tensor, classes: int) -> Tensor:
    return task.targets(labels, classes).float()
