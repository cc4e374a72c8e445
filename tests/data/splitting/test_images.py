"""Images of several classes are divided by their rarest one."""

from collections import Counter

import numpy as np
import pytest

from tlf.data.splitting.images import Asked, Images
from tlf.errors import DataError
from tlf.tasks.multi_label import MultiLabel


def images(labels, groups=None, **asked):
    names = [f"{n}.jpg" for n in range(len(labels))]
    return Images(names, labels, groups, ("ant", "bee", "fly"), MultiLabel(), Asked(**asked))


def test_the_stratum_is_the_rarest_class():
    found = images([(0, 1), (0,), (0, 1), (0, 2), ()])
    assert found.strata == [1, 0, 1, 2, -1]


def test_parts_have_their_share_of_every_class():
    random = np.random.default_rng(0)
    labels = [
        tuple(np.flatnonzero(random.random(3) < (0.6, 0.3, 0.1)).tolist()) for _ in range(600)
    ]
    every = Counter(k for label in labels for k in label)
    folds = [images(labels, folds=5, fold=fold).evaluated(set(), None) for fold in range(1, 6)]
    for part in (images(labels, test=0.2).tested(range(600), range(600), keep=1), *folds):
        counts = Counter(k for p in part for k in labels[p])
        for k in range(3):
            assert counts[k] / every[k] == pytest.approx(0.2, abs=0.06)
    assert sorted(p for part in folds for p in part) == [*range(600)]


def test_a_class_of_several_is_counted_with_all_its_images():
    labels = [(0, 1)] * 3 + [(0, 2)] * 3
    images(labels, folds=3, fold=1).evaluated(set(), None)  # 6 of class 0
    with pytest.raises(DataError, match=r"smallest class, got 4, and 'bee' has 3; write data.fol"):
        images(labels, folds=4, fold=1).evaluated(set(), None)
    groups = ["a", "a", "b", "c", "d", "d"]
    with pytest.raises(DataError, match=r"number of groups of the smallest class, got 3, .* has 2"):
        images(labels, groups, folds=3, fold=1).evaluated(set(), None)
    assert images(labels, groups, folds=2, fold=1).evaluated(set(), None)
