"""Probes of each size."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from planted import clusters
from tlf.studies.judged import judged_images
from tlf.studies.learning_curve.draws import draws_of
from tlf.studies.learning_curve.size_probes import _nested, probe_sizes
from tlf.studies.linear_probe import compact, logistic_probe
from tlf.tasks import TASKS


def test_probes_are_those_of_all_dimensions():
    rows, labels = clusters(60, 3)
    random = np.random.default_rng(0)
    rows = np.hstack([rows + random.normal(0, 0.5, rows.shape), random.normal(size=(60, 90))])
    judged = judged_images(labels, np.arange(60), ("a", "b", "c"), 0, 2)
    draws, sizes = draws_of(judged, 0)[:3], (6, 20, 48)
    points = compact(rows)
    for draw, right in zip(draws, probe_sizes(rows, judged, draws, sizes), strict=True):
        for size, one in zip(sizes, right, strict=True):
            train = draw.train[:size]
            probe = logistic_probe().set_params(tol=1e-6).fit(points[train], labels[train])
            expected = probe.predict(points[draw.held_out]) == labels[draw.held_out]
            assert abs(one[:, 0] - expected).sum() <= 1  # one may be undecided
        assert right[-1].mean() >= right[0].mean() - 0.2


def test_probes_of_several_labels_are_scikit_learns():
    random, task = np.random.default_rng(3), TASKS["multi-label"]
    marks = random.random((80, 3)) < 0.4
    marks[:, 2] = False
    marks[:7, 2] = True  # of which some folds have few
    rows = (marks @ random.normal(size=(3, 8)) + random.normal(size=(80, 8))).astype(np.float32)
    labels = [tuple(np.flatnonzero(row).tolist()) for row in marks]
    judged = judged_images(labels, np.arange(80), ("a", "b", "c"), 0, 2, task)
    draws, points = draws_of(judged, 0)[:2], compact(rows)
    for draw, found in zip(draws, probe_sizes(rows, judged, draws, (12, 40)), strict=True):
        for size, shares in zip((12, 40), found, strict=True):
            train, truth = draw.train[:size], marks[draw.held_out]
            for k in range(3):
                probe = logistic_probe().set_params(tol=1e-6).fit(points[train], marks[train, k])
                scores = probe.decision_function(points[draw.held_out])
                expected = average_precision_score(truth[:, k], scores)
                assert shares[:, k].mean() == pytest.approx(expected, abs=0.02)


def test_the_first_rows_lie_on_the_first_axes():
    random = np.random.default_rng(0)
    for count in (5, 12):  # fewer and more rows than dimensions
        train, held_out = random.normal(size=(count, 8)), random.normal(size=(3, 8))
        new, other = _nested(train, held_out)
        np.testing.assert_allclose(new @ new.T, train @ train.T, atol=1e-12)
        np.testing.assert_allclose(other @ new.T, held_out @ train.T, atol=1e-12)
        np.testing.assert_allclose(new[:4, 4:], 0, atol=1e-12)
