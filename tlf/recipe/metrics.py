"""The metrics that a recipe names: how they are shown, tried before training, and measured."""

from collections.abc import Iterator
from math import isfinite
from typing import TYPE_CHECKING

from tlf import components
from tlf.catalogue import Offer
from tlf.plugins.attribution import blame
from tlf.plugins.validation import kind_of
from tlf.recipe.plan import Plan
from tlf.runtime.seeds import seeded
from tlf.tasks import TASKS
from tlf.tasks.metric import Metric, metric_name

if TYPE_CHECKING:
    from torch import Tensor


def described(plan: Plan) -> dict[str, Metric]:
    """Name → how it is shown and compared, for every metric that the recipe names."""
    return {metric.name: metric for metric, _, _ in _named(plan)}


def plausible(plan: Plan, loss: float) -> dict[str, float]:
    """Name → a figure that fits this loss, of the task's metrics and of those."""
    named = {name: metric.plausible(loss) for name, metric in described(plan).items()}
    return {**TASKS[plan.recipe.task].plausible(loss), **named}


def measure(plan: Plan, probabilities: "Tensor", labels: "Tensor") -> dict[str, float]:
    """Name → figure, for every metric that the recipe names.

    Parameters:
        plan: the recipe with its plugins.
        probabilities: of all eval images (N, K), on the CPU.
        labels: theirs (N, …).

    Raises:
        PluginError: a metric broke, or gives no finite number; names its plugin.
    """
    return {
        metric.name: _measured(metric, component, offer, probabilities, labels)
        for metric, component, offer in _named(plan)
    }


def check_metrics(plan: Plan, labels: "Tensor", classes: int) -> None:
    """Try the metrics on drawn probabilities for the labels of the eval split, so that one that
    breaks does so before anything trains.

    Raises:
        PluginError: a metric broke, or gives no finite number; names its plugin.
    """
    if not plan.recipe.metrics:
        return
    import torch

    with seeded(0, "metrics"):
        logits = torch.randn(len(labels), classes)
    measure(plan, TASKS[plan.recipe.task].probabilities(logits), labels)


def figure_fault(metric: Metric, figure: object) -> str | None:
    """What is wrong with what a metric has measured; None if nothing is.

    >>> f1 = Metric("f1", "F1", higher_is_better=True, is_rate=True)
    >>> figure_fault(f1, 0.5), figure_fault(f1, 50.0)
    (None, 'measure must return a fraction from 0 to 1, since is_rate = True, got 50.0')
    """
    if isinstance(figure, bool) or not isinstance(figure, float | int):
        return f"measure must return a number of Python's, got {kind_of(figure)}; write float(…)"
    if not isfinite(figure):
        return f"measure must return a finite number, got {figure}"
    if metric.is_rate and not -_ROUNDING <= figure <= 1 + _ROUNDING:
        return f"measure must return a fraction from 0 to 1, since is_rate = True, got {figure}"
    return None


_ROUNDING = 1e-6
"""How far a sum of fractions may be beyond 0 and 1."""


def described_by(name: str, component: components.Metric) -> Metric:
    """What a component says about its figure."""
    return Metric(
        name,
        component.title,
        higher_is_better=component.higher_is_better,
        is_rate=component.is_rate,
    )


def _named(plan: Plan) -> Iterator[tuple[Metric, components.Metric, Offer]]:
    for component in plan.recipe.metrics:
        offer = plan.plugins.catalogue.offer(component)
        yield described_by(metric_name(offer.kind), component), component, offer


def _measured(
    metric: Metric,
    component: components.Metric,
    offer: Offer,
    probabilities: "Tensor",
    labels: "Tensor",
) -> float:
    if offer.plugin.name != "tlf":  # what a plugin writes into them changes nothing else
        probabilities, labels = probabilities.clone(), labels.clone()
    with blame(offer, "measure"):
        figure = component.measure(probabilities, labels)
        if fault := figure_fault(metric, figure):
            raise ValueError(fault)
        return float(figure)
