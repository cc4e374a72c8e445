"""Average precision of resamples."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from label_sets import drawn_sets
from tlf.metrics.multi_label import ranking
from tlf.metrics.multi_label.ranking import Ranking


def test_a_resample_counts_each_image_as_often_as_it_is_drawn():
    found = drawn_sets(50, 1)
    labels, row = found.labels[:, 0], found.probabilities[:, 0]
    weights = np.random.default_rng(0).integers(0, 3, (4, 50))
    values = Ranking(row, labels).average_precision(weights)
    for drawn, value in zip(weights, values, strict=True):
        assert value == pytest.approx(average_precision_score(labels, row, sample_weight=drawn))


def test_a_resample_without_the_class_has_none():
    one = Ranking(np.array([0.9, 0.1]), np.array([True, False]))
    assert np.isnan(one.average_precision(np.array([[0, 2]])))[0]


def test_a_curve_is_thinned(monkeypatch):
    monkeypatch.setattr(ranking, "POINTS", 10)
    found = drawn_sets(300, 1)
    curve = Ranking(found.probabilities[:, 0], found.labels[:, 0]).curve()
    assert len(curve.x) == 10
    assert (curve.x[0], curve.x[-1]) == (0, 1)
