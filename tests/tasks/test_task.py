"""What every task answers."""

import inspect

import numpy as np
import pytest

from tlf.tasks import TASKS, Task

NAMES = [name for name in vars(Task) if not name.startswith("_")]
LABELS = {"single-label": [0, 2, 1, 0], "multi-label": [(0, 2), (), (1, 2), (0,)]}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_each_task_has_all_methods_with_the_same_parameters(task):
    for name in NAMES:
        wanted, own = vars(Task)[name], getattr(type(task), name)
        if inspect.isfunction(wanted):
            assert [*inspect.signature(own).parameters] == [*inspect.signature(wanted).parameters]


@pytest.mark.parametrize("name", TASKS)
def test_an_image_counts_class_by_class_what_it_counts_in_all(name):
    task, labels = TASKS[name], TASKS[name].array(LABELS[name], 3)
    scores = np.random.default_rng(0).random((4, 3))
    shares = task.per_class(scores, labels)
    assert task.per_image(scores, labels) == pytest.approx(np.nanmean(shares, axis=1))
    images, own = task.of_classes(shares, labels, 2)
    assert own.shape == (images.sum(),)
    counts = task.class_counts(LABELS[name], 3)
    assert [int(task.having(labels, k).sum()) for k in range(3)] == counts


@pytest.mark.parametrize("name", TASKS)
def test_scores_of_linear_classifiers_have_a_column_for_each_class(name):
    task, labels = TASKS[name], TASKS[name].array(LABELS[name], 3)

    def fitted(targets):
        return np.tile(np.arange(targets.max() + 1), (5, 1))

    assert task.linear_scores(fitted, labels).shape == (5, 3)
