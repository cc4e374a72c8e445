import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from tlf.tasks.multi_label_figures import average_precisions, f1_scores


def test_each_class_has_scikit_learns_average_precision():
    generator = np.random.default_rng(1)
    scores, labels = generator.random((50, 3)).round(1), generator.random((50, 3)) < 0.2
    expected = [average_precision_score(labels[:, k], scores[:, k]) for k in range(3)]
    assert average_precisions(scores, labels) == pytest.approx(expected, abs=1e-12)


def test_each_class_has_scikit_learns_f1():
    generator = np.random.default_rng(2)
    predicted, labels = (generator.random((50, 3)) < 0.3 for _ in range(2))
    by_class, together = f1_scores(predicted, labels)
    assert by_class == pytest.approx(f1_score(labels, predicted, average=None), abs=1e-12)
    assert together == pytest.approx(f1_score(labels, predicted, average="micro"), abs=1e-12)


def test_a_class_that_no_image_has_is_not_a_number():
    labels = np.array([[True, False]])
    assert np.isnan(average_precisions(np.ones((1, 2)), labels)).tolist() == [False, True]
    assert np.isnan(f1_scores(labels, labels)[0]).tolist() == [False, True]
