import copy
import pickle
from dataclasses import replace

import pytest

from tlf.results import (
    EpochResult,
    Progress,
    StageSignals,
    merit,
    plateaus,
    rank,
)
from tlf.tasks.metric import Metric


def result(top1=0.5, loss=1.0, train_loss=2.0, stages=()):
    metrics = {"loss": loss, "top1": top1}
    return EpochResult("head", 3, train_loss, metrics, 0.1, 4, 1.5, 160.0, dict(stages))


SIGNALS = {"stem": StageSignals(0.0, 3.0, 0.0), "head": StageSignals(1.0, 2.0, 0.01, 0.1)}


def test_metrics_are_attributes_and_other_names_are_errors():
    assert (result().eval_top1, result().eval_loss) == (0.5, 1.0)
    for name in ("eval_f1", "top1", "eval_"):
        with pytest.raises(AttributeError, match=f"an EpochResult has no '{name}'"):
            getattr(result(), name)


def test_results_are_copied_and_pickled():
    first = result(stages=SIGNALS)
    for second in (copy.copy(first), copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert second == first
        assert second.eval_top1 == 0.5


MCC = Metric("mcc", "MCC", higher_is_better=True, is_rate=False)
COST = Metric("cost", "cost", higher_is_better=False, is_rate=True)


def measured(mcc, cost, loss=1.0):
    figures = {"loss": loss, "top1": 0.5, "mcc": mcc, "cost": cost}
    return replace(result(), metrics=figures, described={"mcc": MCC, "cost": COST})


def test_metrics_of_the_recipe_are_compared_as_they_say():
    assert merit(measured(0.6, 0.1), "eval_mcc") > merit(measured(0.5, 0.1), "eval_mcc")
    assert merit(measured(0.6, 0.1), "eval_cost") > merit(measured(0.6, 0.2), "eval_cost")
    assert rank(measured(0.5, 0.1, loss=0.5), "eval_mcc") == (0.5,)
    assert rank(measured(0.5, 0.1, loss=0.5), "eval_cost") == (-0.1, -0.5)
    falling = [measured(0.5, cost) for cost in (0.3, 0.2, 0.1)]
    assert plateaus(falling, "eval_cost", 1) == 0
    assert plateaus(falling[::-1], "eval_cost", 1) == 2


def test_merit_is_higher_for_the_better_result():
    assert merit(result(top1=0.6), "eval_top1") > merit(result(top1=0.5), "eval_top1")
    assert merit(result(loss=0.9), "eval_loss") > merit(result(loss=1.0), "eval_loss")
    assert merit(result(train_loss=0.9), "train_loss") > merit(result(), "train_loss")


@pytest.mark.parametrize(
    ("figures", "patience", "count"),
    [
        ((), 1, 0),
        ((0.1, 0.2, 0.3), 1, 0),
        ((0.3, 0.3, 0.2), 1, 2),
        ((0.3, 0.2, 0.2, 0.4, 0.1, 0.1), 2, 2),
        ((0.3, 0.2, 0.4, 0.1), 2, 0),
        ((0.3, 0.1, 0.1, 0.1, 0.1, 0.1), 2, 2),
    ],
)
def test_a_plateau_is_patience_epochs_in_a_row_without_a_new_best(figures, patience, count):
    assert plateaus([result(top1=figure) for figure in figures], "eval_top1", patience) == count
    assert plateaus([result(loss=-figure) for figure in figures], "eval_loss", patience) == count


def test_the_fraction_of_a_phase_grows_from_0_in_equal_steps():
    steps = [(epoch, update) for epoch in range(3) for update in range(4)]
    fractions = [Progress(epoch, 3, update, 4).fraction for epoch, update in steps]
    assert fractions == pytest.approx([number / 12 for number in range(12)])
