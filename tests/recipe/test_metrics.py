"""The metrics that a recipe names: tried before training, measured, described."""

from dataclasses import dataclass, replace

import pytest
import torch

from tlf.catalogue import Catalogue, Offer, Plugin
from tlf.errors import PluginError
from tlf.recipe.metrics import check_metrics, described, figure_fault, measure, plausible
from tlf.tasks.metric import Metric
from tlf.testing.tiny_run import tiny_plan

MINE = Plugin("mine", "tlf-mine", "1.0")
LABELS = torch.tensor([0, 1, 1])
PROBABILITIES = torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]])


@dataclass(frozen=True)
class Figure:
    value: object = 0.25
    title = "fig."
    higher_is_better = False
    is_rate = True

    def measure(self, probabilities, labels):
        probabilities.zero_()
        labels.zero_()
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def plan_with(tmp_path, *metrics):
    plan = tiny_plan(tmp_path / "run")
    offer = Offer("tlf_metrics", "mine:a-figure", Figure, MINE)
    catalogue = Catalogue((*plan.plugins.catalogue.offers, offer))
    recipe = replace(plan.recipe, metrics=metrics)
    return replace(plan, recipe=recipe, plugins=replace(plan.plugins, catalogue=catalogue))


def test_a_metric_is_measured_and_described_under_its_name(tmp_path):
    plan = plan_with(tmp_path, Figure())
    assert measure(plan, PROBABILITIES, LABELS) == {"a_figure": 0.25}
    told = Metric("a_figure", "fig.", higher_is_better=False, is_rate=True)
    assert described(plan) == {"a_figure": told}
    assert plausible(plan, 0.25) == {"top1": 0.75, "a_figure": 0.25}
    assert plausible(plan, 10.0) == {"top1": 0.0, "a_figure": 1.0}


def test_what_a_plugin_writes_into_what_it_gets_changes_nothing(tmp_path):
    before = PROBABILITIES.clone(), LABELS.clone()
    measure(plan_with(tmp_path, Figure()), PROBABILITIES, LABELS)
    assert torch.equal(PROBABILITIES, before[0])
    assert torch.equal(LABELS, before[1])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "measure must return a finite number, got nan"),
        (2.0, "measure must return a fraction from 0 to 1, since is_rate = True, got 2.0"),
        (torch.tensor(0.5), r"measure must return a number of Python's, got a Tensor; write float"),
        (True, "measure must return a number of Python's, got a bool"),
        (KeyError("x"), "failed in measure: KeyError: 'x'"),
        (ValueError("too few classes"), "too few classes"),
    ],
)
def test_a_metric_that_breaks_names_its_plugin_before_training(tmp_path, value, message):
    with pytest.raises(PluginError, match=message) as caught:
        check_metrics(plan_with(tmp_path, Figure(value)), LABELS, 2)
    assert str(caught.value).startswith("'mine:a-figure' (tlf-mine 1.0)")
    assert "test_metrics.py" in str(caught.value)


def test_rounding_is_no_fault():
    rate = Metric("f", "f", higher_is_better=True, is_rate=True)
    assert figure_fault(rate, 1.0000000000000002) is None
    assert figure_fault(rate, 0) is None


def test_without_metrics_nothing_is_tried(tmp_path):
    check_metrics(plan_with(tmp_path), LABELS, 2)
    assert described(plan_with(tmp_path)) == {}
