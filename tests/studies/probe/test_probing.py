"""Probes, judged on images that they have not seen."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from planted import clusters
from tlf.checks.probe import FOLDS
from tlf.components import Split
from tlf.errors import DataError
from tlf.studies.probe.probing import PROBES, compact, equal_files, judged_images, probe_rows


@pytest.fixture(scope="module")
def planted():
    """Clusters that overlap, and the images that are judged."""
    rows, labels = clusters(60, 3)
    rows = rows + np.random.default_rng(0).normal(0, 0.35, rows.shape)
    return rows.astype(np.float32), judged_images(labels, np.arange(60), ("a", "b", "c"), 0)


@pytest.mark.parametrize("kind", PROBES)
def test_separable_classes_are_told_apart(kind):
    rows, labels = clusters(40, 2)
    judged = judged_images(labels, np.arange(40), ("a", "b"), 0)
    judged = type(judged)(**{**vars(judged), "folds": judged.folds[:2]})
    right = np.stack([*probe_rows(rows, judged, kind)])
    assert right.shape == (2, 40)
    assert right.all()


def test_a_probe_is_scikit_learns_on_all_dimensions(planted):
    rows, judged = planted
    wide = np.hstack([rows, np.random.default_rng(1).normal(size=(60, 90))]).astype(np.float32)
    right = next(probe_rows(wide, judged, "logistic"))
    centred = wide - wide.mean(0)
    centred /= np.sqrt((centred**2).sum(1).mean())
    for part in range(FOLDS):
        held_out = judged.folds[0] == part
        probe = LogisticRegression(C=100.0, tol=1e-6, max_iter=5000)
        probe.fit(centred[~held_out], judged.labels[~held_out])
        expected = probe.predict(centred[held_out]) == judged.labels[held_out]
        assert abs(right[held_out] - expected).sum() <= 1  # one may be undecided


def test_compact_rows_keep_all_distances_in_proportion(planted):
    rows, _ = planted
    few = compact(rows[:10])
    assert few.shape == (10, 10)
    before = np.linalg.norm(rows[:10, None] - rows[None, :10], axis=2)
    after = np.linalg.norm(few[:, None] - few[None], axis=2)
    np.testing.assert_allclose(before * after[0, 1], after * before[0, 1], atol=1e-4)
    assert (few**2).sum(1).mean() == pytest.approx(1)
    assert (compact(np.ones((9, 2), np.float32)) == 0).all()


def test_folds_are_dealt_anew_and_the_same_for_the_same_seed(planted):
    _, judged = planted
    labels = judged.labels
    again = judged_images(labels, np.arange(60), ("a", "b", "c"), 0)
    np.testing.assert_array_equal(judged.folds, again.folds)
    assert len(judged.folds) == 10
    assert len({tuple(fold) for fold in judged.folds.tolist()}) == 10
    for fold in judged.folds:
        for part in range(FOLDS):
            assert {*labels[fold == part]} == {0, 1, 2}


def test_a_class_with_one_image_is_left_out():
    labels = np.array([0] * 6 + [1] + [2] * 7)
    judged = judged_images(labels, np.arange(14), ("a", "b", "c"), 0)
    assert judged.left_out == {"b": 1}
    assert judged.classes == ("a", "c")
    assert judged.images.tolist() == [*range(6), *range(7, 14)]
    assert judged.labels.tolist() == [0] * 6 + [1] * 7


def test_equal_files_count_as_one_and_are_in_one_fold():
    labels, groups = np.array([0] * 8 + [1] * 8), np.arange(16)
    groups[:4] = 0
    judged = judged_images(labels, groups, ("a", "b"), 0)
    assert all(len({*fold[:4]}) == 1 for fold in judged.folds)
    groups[:5] = 0
    with pytest.raises(DataError, match=r"5 different train images each.*got 4 of 'a', 8 of 'b'"):
        judged_images(labels, groups, ("a", "b"), 0)


def test_many_images_are_dealt_twice():
    labels = np.arange(2001) % 2
    assert len(judged_images(labels, np.arange(2001), ("a", "b"), 0).folds) == 2


def test_equal_files_have_the_number_of_the_first():
    split = Split(("a", "b", "c"), (0, 0, 1), [b"x", b"y", b"x"].__getitem__)
    np.testing.assert_array_equal(equal_files(split), [0, 1, 0])
