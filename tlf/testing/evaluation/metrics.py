"""The contract of a metric."""

import torch
from torch import Tensor

from tlf.components import Metric
from tlf.plugins.validation import fault
from tlf.recipe.metrics import described_by, figure_fault
from tlf.runtime.seeds import seeded
from tlf.tasks import DEFAULT, TASKS
from tlf.testing.contract import check_options, no_random_numbers, raising_only, require
from tlf.testing.second_process import check_second_process

HOOK = "tlf_metrics"
CLASSES = (2, 3, 7)
"""Numbers of classes that a metric is tried with."""
IMAGES = 12


def check_metric(metric: Metric) -> None:
    """Check that a metric keeps its contract.

    Its options survive a recipe, and its class says its title, whether higher is better, and
    whether it is a rate. It gives a finite number of Python's: for any number of classes for which
    it does not raise a ValueError, for one image, for one class, for equal and for certain
    probabilities. A rate is from 0 to 1. The number is better where all images are classified
    rightly than where none is. It is the same in every call, for any order of the images, and in a
    second process. Nothing that it is given changes, and no random numbers are drawn.

    Raises:
        AssertionError: it breaks the contract; names the problem and the rule.
    """
    recipe = check_options(metric, HOOK)
    problem = fault(HOOK, type(metric))
    rule = "its class says what the figure is, in plain values"
    require(problem is None, metric, str(problem), rule)
    known = [classes for classes in CLASSES if _takes(metric, classes)]
    require(
        bool(known),
        metric,
        f"raises a ValueError for {', '.join(map(str, CLASSES))} classes",
        "it measures models of at least one of these numbers of classes",
    )
    for classes in known:
        _check_cases(metric, classes)
        _check_direction(metric, classes)
    check_second_process(metric, HOOK, recipe)


def describe(metric: Metric) -> str:
    """Its figures for a few predictions."""
    return str([metric.measure(*_case(classes)) for classes in CLASSES if _takes(metric, classes)])


def _takes(metric: Metric, classes: int) -> bool:
    try:
        with raising_only(metric, f"measure with {classes} classes", ValueError):
            metric.measure(*_case(classes))
    except ValueError:
        return False
    return True


def _check_cases(metric: Metric, classes: int) -> None:
    probabilities, labels = _case(classes)
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
    equal = torch.full_like(probabilities, 1 / classes)
    for name, shares, of in (
        ("labels of one class", probabilities, torch.zeros_like(labels)),
        ("one image", probabilities[:1], labels[:1]),
        ("equal probabilities", equal, labels),
        ("probabilities of 0 and 1", _certain(labels, classes), labels),
    ):
        _figure(metric, shares, of, name)


def _check_direction(metric: Metric, classes: int) -> None:
    _, labels = _case(classes)
    right = _figure(metric, _certain(labels, classes), labels, "right predictions")
    wrong = _figure(metric, _certain((labels + 1) % classes, classes), labels, "wrong predictions")
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


def _case(classes: int) -> tuple[Tensor, Tensor]:
    with seeded(classes, "metric"):
        logits = torch.randn(IMAGES, classes)
    return TASKS[DEFAULT].probabilities(logits), torch.arange(IMAGES) % classes


def _certain(labels: Tensor, classes: int) -> Tensor:
    return TASKS[DEFAULT].targets(labels, classes).float()
