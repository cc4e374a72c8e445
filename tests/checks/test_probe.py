"""Out-of-fold probabilities."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from planted import clusters
from tlf.checks import probe
from tlf.checks.probe import FOLDS, deal_folds, out_of_fold, together


@pytest.mark.parametrize("classes", [2, 4])
def test_separable_classes_are_told_apart_surely(classes):
    rows, labels = clusters(120, classes)
    probabilities = out_of_fold(rows, labels, np.arange(120), 0)
    assert probabilities.shape == (120, classes)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert probabilities[np.arange(120), labels].min() > 0.8


def test_they_are_calibrated():
    """Where nothing can be learnt, they are the shares of the classes."""
    rng = np.random.default_rng(0)
    rows, labels = clusters(400, 2)
    labels = (rng.random(400) < 0.25).astype(np.int64)
    probabilities = out_of_fold(rows, labels, np.arange(400), 0)
    assert abs(probabilities[:, 1] - labels.mean()).max() < 0.15


def test_probes_are_trained_to_the_end(monkeypatch):
    """What is left to train is far below what a list of wrong labels depends on."""
    rng = np.random.default_rng(0)
    labels, spread = rng.integers(0, 4, 600), 1 / np.sqrt(1 + np.arange(32))
    rows = (rng.normal(size=(4, 32)) * spread / 2)[labels] + rng.normal(size=(600, 32)) * spread
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    found = out_of_fold(rows, labels, np.arange(600), 0)
    monkeypatch.setattr(probe, "logistic", lambda c: LogisticRegression(C=c, tol=1e-7))
    assert abs(found - out_of_fold(rows, labels, np.arange(600), 0)).max() < 0.01


def test_copies_do_not_teach_the_probe_their_label():
    """Pairs of equal rows with random labels: in other folds, each would betray the other's."""
    rows = np.eye(50, dtype=np.float32).repeat(2, axis=0)
    labels = np.random.default_rng(1).integers(0, 2, 50).repeat(2)
    apart = out_of_fold(rows, labels, np.arange(100), 0)
    together = out_of_fold(rows, labels, np.arange(50).repeat(2), 0)
    right = [(each[np.arange(100), labels] > 0.5).mean() for each in (apart, together)]
    assert right[0] > 0.75
    assert right[1] < 0.6


def test_images_of_one_picture_and_of_one_group_hang_together():
    found = together(np.array([0, 0, 2, 3, 4]), ["a", "b", "b", "c", "d"])
    assert found[0] == found[1] == found[2]
    assert len({*found[2:]}) == 3


def test_folds_hold_groups_together_and_have_each_class():
    labels = np.array([0] * 40 + [1] * 5 + [2] * 12)
    groups = np.arange(57)
    groups[45:57] = 45 + np.arange(12) // 2
    fold = deal_folds(labels, groups, 3)
    assert len(set(zip(groups, fold, strict=True))) == len(set(groups))
    assert np.bincount(fold[:40]).tolist() == [8] * FOLDS
    assert sorted(fold[40:45]) == [*range(FOLDS)]
    assert set(fold[45:]) == {*range(FOLDS)}
    np.testing.assert_array_equal(fold, deal_folds(labels, groups, 3))
    assert (fold != deal_folds(labels, groups, 4)).any()


LIMITED = """
from tlf.checks.probe import limited_threads
with limited_threads():
    import scipy.linalg, sklearn.linear_model
    from threadpoolctl import threadpool_info
    print({one["num_threads"] for one in threadpool_info()}, len(threadpool_info()))
"""


def test_threads_are_limited_of_libraries_that_nobody_has_imported_before():
    """SciPy's own library took seven times as long for the first probes of a process."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], capture_output=True, text=True, check=True
    )
    threads, count = done.stdout.rsplit(maxsplit=1)
    assert threads == "{1}"
    assert int(count) >= 2
