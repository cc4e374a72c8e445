"""Where the loss of a range test falls, on curves that are known."""

from math import exp, inf, nan

import numpy as np
import pytest

from tlf.studies.learning_rate.valley import exploded, find_valley, smooth

STEPS = 100


def curve(noise, seed=0, depth=0.6, bottom=70):
    """Flat, falling from step 40 to ``bottom``, then rising."""
    rng = np.random.default_rng(seed)
    falls = [depth * min(1, max(0, (n - 40) / (bottom - 40))) for n in range(STEPS)]
    rises = [exp((n - bottom) / 6) - 1 if n > bottom else 0.0 for n in range(STEPS)]
    return [0.7 - f + r + noise * rng.normal() for f, r in zip(falls, rises, strict=True)]


@pytest.mark.parametrize("seed", range(5))
def test_the_middle_of_the_valley_is_where_the_loss_falls(seed):
    valley = find_valley(curve(0.02, seed))
    assert valley is not None
    assert 50 <= valley.middle <= 60
    assert 40 <= valley.first < valley.last <= 70


def test_noise_is_no_valley():
    rng = np.random.default_rng(0)
    found = [find_valley((0.7 + 0.05 * rng.normal(size=STEPS)).tolist()) for _ in range(100)]
    assert sum(valley is not None for valley in found) <= 1
    assert find_valley([0.7] * STEPS) is None
    assert find_valley([0.7, 0.1]) is None


def test_a_rising_loss_has_no_valley():
    assert find_valley([0.1 + 0.01 * n for n in range(STEPS)]) is None


def test_a_test_ends_at_four_times_the_lowest_loss():
    assert not exploded([0.5, 0.5])
    assert exploded([0.5, 0.5, nan])
    assert exploded([0.5, inf])
    lasted = next(n for n in range(1, 200) if exploded([0.1] * 10 + [0.1 * 2**k for k in range(n)]))
    assert smooth([0.1] * 10 + [0.1 * 2**k for k in range(lasted)])[-1] > 0.4
