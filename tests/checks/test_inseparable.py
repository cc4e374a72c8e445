"""Classes that can hardly be told apart."""

import numpy as np
import pytest

from tlf.checks.inseparable import Pair, find_inseparable


def confused(counts, wrong, classes=3):
    """Some images of classes 0 and 1 are taken for each other; those of others never are."""
    rows, labels = [], []
    for own, other in ((0, 1), (1, 0)):
        for number in range(counts[own]):
            row = np.zeros(classes)
            row[[own, other]] = (0.1, 0.9) if number < wrong[own] else (0.9, 0.1)
            rows.append(row)
            labels.append(own)
    for own in range(2, classes):
        rows += [np.eye(classes)[own]] * 10
        labels += [own] * 10
    return np.array(rows), np.array(labels)


def test_a_pair_that_is_often_confused_is_listed():
    assert find_inseparable(*confused((50, 50), (20, 24))) == (Pair((0, 1), 0.44, 100),)


@pytest.mark.parametrize(
    ("counts", "wrong"),
    [((50, 50), (5, 5)), ((3, 3), (2, 1)), ((8, 8), (4, 4)), ((50, 50), (0, 0))],
    ids=["seldom", "few images", "still few", "never"],
)
def test_others_are_not(counts, wrong):
    assert find_inseparable(*confused(counts, wrong)) == ()


def test_a_rare_class_is_not_lost():
    """Nothing tells 20 images from 200: both have the shares as probabilities, with noise."""
    labels = np.array([0] * 200 + [1] * 20)
    noise = np.random.default_rng(0).normal(0, 0.02, 220)
    probabilities = np.stack([200 / 220 - noise, 20 / 220 + noise], 1)
    (pair,) = find_inseparable(probabilities, labels)
    assert 0.4 < pair.error < 0.6


def test_many_classes():
    rows, labels = confused((60, 60), (30, 30), classes=300)
    assert [pair.classes for pair in find_inseparable(rows, labels)] == [(0, 1)]
