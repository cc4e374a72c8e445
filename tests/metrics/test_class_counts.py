"""Counts of labels and predictions in resamples."""

import numpy as np
import pytest

from tlf.metrics.class_counts import Confusions, concatenated, defined_mean


def counted(of, weights, classes):
    return np.bincount(of, weights=weights, minlength=classes)


@pytest.mark.parametrize("classes", [1, 2, 9])
def test_counts_are_those_of_each_model(classes):
    random = np.random.default_rng(classes)
    labels, one, other = random.integers(0, classes, (3, 50))
    weights = random.integers(0, 4, (6, 50)).astype(float)
    pairs = Confusions(classes, labels, one, other)
    for found, predicted in zip(pairs.counts(weights[:, pairs.order]), (one, other), strict=True):
        for row, weight in enumerate(weights):
            right = weight * (labels == predicted)
            assert found.support[row].tolist() == counted(labels, weight, classes).tolist()
            assert found.predicted[row].tolist() == counted(predicted, weight, classes).tolist()
            assert found.right[row].tolist() == counted(labels, right, classes).tolist()


def test_rates_that_are_not_defined_are_nan():
    labels, predicted = np.array([0, 0, 1]), np.array([0, 2, 0])
    pairs = Confusions(4, labels, predicted)
    [found] = pairs.counts(np.ones((1, 3)))
    nan = np.nan
    np.testing.assert_array_equal(found.precision, [[0.5, nan, 0, nan]])
    np.testing.assert_array_equal(found.recall, [[0.5, 0, nan, nan]])
    np.testing.assert_array_equal(found.f1, [[0.5, 0, 0, nan]])
    assert defined_mean(found.recall).tolist() == [0.25]
    assert np.isnan(defined_mean(np.full((1, 2), nan))).all()


def test_no_image_may_be_right():
    pairs = Confusions(2, np.array([0, 1]), np.array([1, 0]))
    [found] = pairs.counts(np.ones((1, 2)))
    assert found.right.tolist() == [[0, 0]]


def test_blocks_and_some_classes():
    pairs = Confusions(3, np.array([0, 1, 2]), np.array([0, 1, 1]))
    blocks = [pairs.counts(np.full((1, 3), weight))[0] for weight in (1.0, 2.0)]
    found = concatenated(blocks).of(slice(1, 3))
    assert found.support.tolist() == [[1, 1], [2, 2]]
    assert found.predicted.tolist() == [[2, 0], [4, 0]]
