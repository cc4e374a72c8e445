"""Predictions as arrays."""

from predicted_sets import predicted


def test_the_first_of_the_most_probable_classes_is_predicted():
    found = predicted([0, 1, 1], [[0.25, 0.5, 0.25], [0.4, 0.4, 0.2], [0.2, 0.4, 0.4]])
    assert found.predicted.tolist() == [1, 0, 1]
    assert len(found) == 3
