"""Curves of two classes."""

import numpy as np
import pytest
from sklearn.metrics import (
    auc,
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from predicted_sets import drawn, predicted
from tlf.metrics import curves
from tlf.metrics.curves import precision_recall, roc


def test_a_perfect_model_and_one_that_knows_nothing():
    perfect = predicted([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.1, 0.9]])
    assert (roc(perfect).area, precision_recall(perfect).area) == (1, 1)
    constant = predicted([0, 1, 1], [[0.5, 0.5]] * 3)
    assert roc(constant).area == 0.5
    assert precision_recall(constant).area == pytest.approx(2 / 3)


def test_images_of_one_class_have_no_curve():
    found = predicted([1, 1], [[0.9, 0.1], [0.2, 0.8]])
    assert (roc(found), precision_recall(found)) == (None, None)
    assert roc(drawn(9, 3)) is None


def test_a_long_curve_is_thinned_and_keeps_its_ends_and_its_area(monkeypatch):
    monkeypatch.setattr(curves, "MOST_POINTS", 50)
    found = drawn(4000, 2, skill=0.5)
    curve = roc(found)
    assert len(curve.x) == len(curve.y) == 50
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
    assert curve.area == roc_auc_score(found.labels, found.probabilities[:, 1])
    assert auc(curve.x, curve.y) == pytest.approx(curve.area, abs=0.01)
    assert np.all(np.diff(precision_recall(found).x) >= 0)


@pytest.mark.parametrize("steps", [None, 5])
@pytest.mark.parametrize("images", [2, 3, 400])
def test_they_are_those_of_scikit_learn(images, steps):
    """Also where many images have the same probability."""
    found = drawn(images, 2, skill=0.5)
    found.labels[:2] = (0, 1)
    if steps is not None:
        found.probabilities[:] = (found.probabilities * steps).round() / steps
    second = found.probabilities[:, 1]
    false, true, _ = roc_curve(found.labels, second)
    curve = roc(found)
    assert (curve.x, curve.y) == (tuple(false), tuple(true))
    assert curve.area == roc_auc_score(found.labels, second)
    precision, recall, _ = precision_recall_curve(found.labels, second, drop_intermediate=True)
    curve = precision_recall(found)
    assert (curve.x, curve.y) == (tuple(recall[::-1]), tuple(precision[::-1]))
    assert curve.area == pytest.approx(average_precision_score(found.labels, second), abs=1e-15)
