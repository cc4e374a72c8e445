"""Fits of power laws."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from tlf.studies.learning_curve.power_laws import EXPONENTS, fit_power_laws

SIZES = (10, 20, 40, 80, 160, 320)


def test_a_power_law_is_found_again():
    errors = 0.05 + 0.5 * np.array(SIZES) ** -EXPONENTS[30]
    laws = fit_power_laws(SIZES, errors[None])
    assert (laws.a[0], laws.c[0]) == (pytest.approx(0.05), EXPONENTS[30])
    later = 0.05 + 0.5 * 1280 ** -EXPONENTS[30]
    np.testing.assert_allclose(laws.errors([*SIZES, 1280])[0], [*errors, later])


def test_no_fit_by_scipy_is_better():
    random = np.random.default_rng(0)
    n, weights = np.array(SIZES) / SIZES[-1], np.arange(1, 7) / 21
    errors = 0.1 + 0.1 * n**-0.4 + random.normal(0, 0.02, (20, 6))
    laws = fit_power_laws(SIZES, errors)
    own = ((laws.errors(SIZES) - errors) ** 2 @ weights).tolist()
    for mine, error in zip(own, errors, strict=True):
        scipys = least_squares(
            lambda p, error=error: np.sqrt(weights) * (p[0] + p[1] * n ** -p[2] - error),
            (0.1, 0.1, 0.5), bounds=([0, 0, EXPONENTS[0]], [1, 1, EXPONENTS[-1]]),
        )  # fmt: skip
        assert mine <= 1.05 * 2 * scipys.cost


def test_errors_never_rise_and_are_never_below_zero():
    rising = np.array([[0.1, 0.1, 0.12, 0.1, 0.13, 0.14], [0.5, 0.2, 0.05, 0.01, 0.0, 0.0]])
    later = fit_power_laws(SIZES, rising).errors([320, 640, 1280, 10**6])
    assert (np.diff(later) <= 0).all()
    assert (later >= 0).all()
    assert later[0] == pytest.approx(rising[0] @ np.arange(1, 7) / 21)
