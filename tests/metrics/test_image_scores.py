"""Scores of single images, by hand."""

import numpy as np
import pytest

from predicted_sets import drawn, predicted
from tlf.metrics.image_scores import BINS, bins, brier, calibration, gaps, in_top, nll


def test_nll_is_clipped_as_in_scikit_learn():
    found = predicted([0, 0, 1], [[0.5, 0.5], [0, 1], [0, 1]])
    least = np.finfo(float).eps
    assert nll(found).tolist() == pytest.approx([np.log(2), -np.log(least), least], rel=1e-6)


def test_brier_is_halved_for_two_classes_alone():
    assert brier(predicted([0], [[0.75, 0.25]])).tolist() == [0.0625]
    assert brier(predicted([0], [[0.75, 0.25, 0]])).tolist() == [0.125]
    assert brier(predicted([1], [[0, 1, 0]])).tolist() == [0]


def test_of_equal_probabilities_the_first_classes_are_the_top():
    even = predicted(np.arange(8), np.full((8, 8), 1 / 8))
    assert in_top(even).tolist() == [True] * 5 + [False] * 3
    found = drawn(100, 9, skill=0.5)
    expected = np.argsort(-found.probabilities, axis=1, kind="stable")[:, :5]
    assert in_top(found).tolist() == (expected == found.labels[:, None]).any(1).tolist()


def test_a_bin_holds_its_upper_limit():
    rows = np.array([[0.2, 0.4, 0.4], [1, 0, 0], [0.6, 0.2, 0.2]])
    found = predicted([0, 0, 0], rows)
    found.probabilities[:] = rows
    assert bins(found).tolist() == [5, 14, 8]  # 6/15 and 9/15 are the limits of the bins 5 and 8


def test_bins_of_calibration():
    found = predicted([0, 1, 0, 0], [[1, 0], [1, 0], [0.9, 0.1], [0.55, 0.45]])
    result = calibration(found)
    assert result.edges[:2] == (0, pytest.approx(1 / 15))
    assert (len(result.edges), len(result.counts)) == (BINS + 1, BINS)
    assert {n: c for n, c in enumerate(result.counts) if c} == {8: 1, 13: 1, 14: 2}
    assert result.accuracy[14] == 0.5
    assert result.confidence[13] == pytest.approx(0.9)
    assert (result.accuracy[0], result.confidence[0]) == (None, None)


def test_the_gaps_add_up_to_the_calibration_error():
    found = predicted([0, 1], [[0.75, 0.25], [0.75, 0.25]])
    assert gaps(found).sum(0)[11] == pytest.approx(0.5)
    assert np.abs(gaps(found).mean(0)).sum() == pytest.approx(0.25)
