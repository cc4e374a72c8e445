"""The logistic probe of studies."""

import numpy as np
import pytest

from planted import clusters
from tlf.errors import NotFiniteError
from tlf.studies.linear_probe import check_finite, compact


def test_compact_rows_keep_all_distances_in_proportion():
    rows, _ = clusters(60, 3)
    few = compact(rows[:10])
    assert few.shape == (10, 10)
    before = np.linalg.norm(rows[:10, None] - rows[None, :10], axis=2)
    after = np.linalg.norm(few[:, None] - few[None], axis=2)
    np.testing.assert_allclose(before * after[0, 1], after * before[0, 1], atol=1e-4)
    assert (few**2).sum(1).mean() == pytest.approx(1)
    assert (compact(np.ones((9, 2), np.float32)) == 0).all()


def test_features_must_be_finite():
    check_finite("x", np.ones((2, 2), np.float32))
    with pytest.raises(NotFiniteError, match="features of x must be finite numbers"):
        check_finite("x", np.array([[1.0, np.inf]], np.float32))
