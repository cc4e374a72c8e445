"""What holds for all tasks together."""

import pytest
import torch

from tlf import tasks
from tlf.tasks.metric import LOSS


def test_every_monitor_is_a_metric_with_a_direction():
    assert tasks.MONITORS == ("eval_loss", "eval_top1", "train_loss")
    assert [tasks.higher_is_better(monitor) for monitor in tasks.MONITORS] == [False, True, False]


def test_a_metrics_name_means_the_same_in_every_task():
    for task in tasks.TASKS.values():
        for metric in task.metrics:
            assert tasks.METRICS[metric.name] == metric


def test_the_default_monitor_is_the_main_metric_of_the_default_task():
    assert (tasks.DEFAULT, tasks.DEFAULT_MONITOR) == ("single-label", "eval_top1")
    assert tasks.DEFAULT in tasks.TASKS
    assert tasks.DEFAULT_MONITOR in tasks.MONITORS


@pytest.mark.parametrize("task", tasks.TASKS.values(), ids=tasks.TASKS)
def test_a_task_evaluates_the_metrics_that_it_has(task):
    probabilities = task.probabilities(torch.randn(6, 3))
    figures = task.evaluate(probabilities, task.predicted(probabilities))
    assert figures.keys() == task.plausible(1.0).keys() == {m.name for m in task.metrics}
    for metric in task.metrics:
        best = 1.0 if metric.higher_is_better else 0.0
        assert figures[metric.name] == best


def test_metrics_are_described_in_columns_and_without_the_loss():
    figures = {"top1": 0.5, LOSS.name: 2.0}
    assert tasks.describe(figures) == "top-1 50.00%"
    assert tasks.describe(figures, width=8) == "top-1   50.00%"
    assert tasks.describe({LOSS.name: 2.0}) == ""
