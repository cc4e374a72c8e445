"""Predictions as arrays."""

import numpy as np
import pytest

from predicted_sets import predicted
from tlf.errors import DataError
from tlf.metrics.predicted import predicted_of, single_label


def test_the_first_of_the_most_probable_classes_is_predicted():
    found = predicted([0, 1, 1], [[0.25, 0.5, 0.25], [0.4, 0.4, 0.2], [0.2, 0.4, 0.4]])
    assert found.predicted.tolist() == [1, 0, 1]
    assert len(found) == 3


def test_one_label_and_any_number_are_told_apart_by_the_form_of_labels():
    marks = np.array([[1, 0], [1, 1]], dtype=np.uint8)
    rows = np.full((2, 2), 0.5)
    several = predicted_of(("a", "b"), marks, rows, ("x", "y"), marks, (0.5, 0.5))
    one = predicted_of(("a", "b"), np.array([0, 1]), rows, ("x", "y"), np.array([0, 0]), None)
    assert (several.labels.dtype, several.predicted.tolist()) == (bool, marks.tolist())
    assert (one.predicted.tolist(), single_label(one)) == ([0, 0], one)
    assert one.with_thresholds(lambda: 1 / 0) is one
    with pytest.raises(DataError, match="must have one label each"):
        single_label(several)
    for first, second in ((one, several), (several, one)):
        with pytest.raises(DataError, match="both models must have the same task"):
            first.compare(second)
