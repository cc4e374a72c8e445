from tlf import tasks
from tlf.tasks.metric import LOSS, Metric


def test_rates_are_shown_as_percentages_and_others_as_numbers():
    assert LOSS.shown(0.25) == "0.2500"
    assert Metric("f1", "F1", higher_is_better=True, is_rate=True).shown(0.5) == "50.00%"


def test_every_monitor_is_a_metric_with_a_direction():
    assert tasks.MONITORS == ("eval_loss", "eval_top1", "train_loss")
    assert [tasks.higher_is_better(monitor) for monitor in tasks.MONITORS] == [False, True, False]


def test_a_metrics_name_means_the_same_in_every_task():
    for task in tasks.TASKS.values():
        for metric in task.metrics:
            assert tasks.METRICS[metric.name] == metric
