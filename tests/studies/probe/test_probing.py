"""Probes, judged on images that they have not seen."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.metrics import average_precision_score
from sklearn.multiclass import OneVsRestClassifier

from planted import clusters
from tlf.checks.probe import FOLDS
from tlf.studies.judged import judged_images
from tlf.studies.linear_probe import compact
from tlf.studies.probe.probing import PROBES, probe_rows, repeats_of
from tlf.tasks import TASKS


@pytest.fixture(scope="module")
def planted():
    """Clusters that overlap, and the images that are judged."""
    rows, labels = clusters(60, 3)
    rows = rows + np.random.default_rng(0).normal(0, 0.35, rows.shape)
    return rows.astype(np.float32), judged_images(labels, np.arange(60), ("a", "b", "c"), 0, 10)


@pytest.mark.parametrize("kind", PROBES)
def test_separable_classes_are_told_apart(kind):
    rows, labels = clusters(40, 2)
    judged = judged_images(labels, np.arange(40), ("a", "b"), 0, 2)
    right = np.stack([*probe_rows(compact(rows), judged, kind)])
    assert right.shape == (2, 40)
    assert right.all()


def test_a_probe_is_scikit_learns_on_all_dimensions(planted):
    rows, judged = planted
    wide = np.hstack([rows, np.random.default_rng(1).normal(size=(60, 90))]).astype(np.float32)
    right = next(probe_rows(compact(wide), judged, "logistic"))
    centred = wide - wide.mean(0)
    centred /= np.sqrt((centred**2).sum(1).mean())
    for part in range(FOLDS):
        held_out = judged.folds[0] == part
        probe = LogisticRegression(C=100.0, tol=1e-6, max_iter=5000)
        probe.fit(centred[~held_out], judged.labels[~held_out])
        expected = probe.predict(centred[held_out]) == judged.labels[held_out]
        assert abs(right[held_out] - expected).sum() <= 1  # one may be undecided


def test_several_labels_are_probed_one_against_the_rest_as_scikit_learn_does():
    random = np.random.default_rng(3)
    marks = random.random((60, 3)) < 0.4
    rows = (marks @ random.normal(size=(3, 8)) + random.normal(size=(60, 8))).astype(np.float32)
    labels = [tuple(np.flatnonzero(row).tolist()) for row in marks]
    task = TASKS["multi-label"]
    judged = judged_images(labels, np.arange(60), ("a", "b", "c"), 0, 1, task)
    points = compact(rows)
    found = next(probe_rows(points, judged, "logistic"))
    for part in range(FOLDS):
        held_out = judged.folds[0] == part
        probe = OneVsRestClassifier(LogisticRegression(C=100.0, max_iter=1000))
        probe.fit(points[~held_out], marks[~held_out])
        scores = probe.decision_function(points[held_out])
        expected = average_precision_score(marks[held_out], scores, average="macro")
        assert found[held_out].mean() == pytest.approx(expected)
    ridge = next(probe_rows(points, judged, "ridge"))
    held_out = judged.folds[0] == 0
    probe = RidgeClassifierCV(np.logspace(-3, 2, 6)).fit(points[~held_out], 1 * marks[~held_out])
    scores = probe.decision_function(points[held_out])
    expected = average_precision_score(marks[held_out], scores, average="macro")
    assert ridge[held_out].mean() == pytest.approx(expected)


def test_many_images_are_dealt_twice():
    assert (repeats_of(2000), repeats_of(2001)) == (10, 2)
