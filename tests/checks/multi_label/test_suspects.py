"""Planted wrong labels of images with any number."""

import numpy as np

from tlf.checks.multi_label.suspects import find_decisions, judged


def planted():
    """Rows in which each class is a direction, with a missing and a wrong label."""
    random = np.random.default_rng(0)
    truth = random.random((80, 3)) < 0.4
    rows = (truth * 3.0 + random.normal(0, 0.3, truth.shape)).astype(np.float32)
    labels = truth.copy()
    missing = int(np.flatnonzero(truth[:, 0])[3])
    wrong = int(np.flatnonzero(~truth[:, 1])[5])
    labels[missing, 0], labels[wrong, 1] = False, True
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), labels, missing, wrong


def test_missing_and_wrong_labels_come_first():
    rows, labels, missing, wrong = planted()
    found = find_decisions(rows, labels, np.arange(len(rows)), seed=0)
    first = {(one.image, one.column) for one in found[:4]}
    assert {(missing, 0), (wrong, 1)} <= first
    assert all(one.own_probability <= one.proposed_probability for one in found)


def test_a_class_that_few_images_have_or_lack_is_not_judged():
    labels = np.zeros((20, 3), bool)
    labels[:4, 0], labels[:10, 1], labels[:, 2] = True, True, True
    assert judged(labels, np.arange(20)) == [1]
    assert judged(labels, np.arange(20) // 5) == []  # copies of one picture count once
