"""What holds for all tasks together."""

import pytest
import torch

from tlf import tasks
from tlf.tasks.metric import LOSS, Metric


def test_the_monitors_of_every_run_are_its_metrics_and_the_train_loss():
    assert tasks.MONITORS == (
        "eval_loss",
        "eval_top1",
        "eval_map",
        "eval_macro_f1",
        "eval_micro_f1",
        "eval_exact_match",
        "train_loss",
    )
    assert (tasks.metric_of("loss").higher_is_better, tasks.metric_of("loss").is_rate) == (0, 0)
    assert (tasks.metric_of("top1").higher_is_better, tasks.metric_of("top1").is_rate) == (1, 1)


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
    named = {"mcc": Metric("mcc", "MCC", higher_is_better=True, is_rate=False)}
    assert tasks.describe({"mcc": 0.5, "f1": 0.5}, described=named) == "MCC 0.5000, f1 0.5000"


def test_labels_in_numpy_are_those_of_torch():
    for task, labels in (("single-label", [2, 0]), ("multi-label", [(0, 2), ()])):
        of = tasks.TASKS[task]
        assert (of.array(labels, 3) == of.labels(labels, 3).numpy()).all()
