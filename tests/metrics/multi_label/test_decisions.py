"""Scores of decisions."""

import numpy as np
import pytest

from label_sets import drawn_sets
from tlf.metrics.multi_label.decisions import bins, calibration, gaps


def test_gaps_add_up_to_the_distance_of_all_decisions():
    found = drawn_sets(30, 4)
    assert gaps(found).sum(1) == pytest.approx((found.probabilities - found.labels).mean(1))


def test_a_bin_holds_its_upper_limit():
    found = drawn_sets(30, 4)
    rows = np.array([[0, 1 / 15, 0.5, 1]])
    assert bins(type(found)((), rows > 2, rows, (), rows > 2)).tolist() == [[0, 0, 7, 14]]
    assert calibration(found).edges[-1] == 1
