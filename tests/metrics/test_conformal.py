"""Sets of classes that hold the label at a chosen rate."""

import numpy as np
import pytest

from tlf.metrics.conformal import coverage_spread, threshold


def test_the_threshold_is_the_finite_sample_quantile():
    own = np.arange(1, 20) / 20  # n = 19
    # ceil(20 × 0.9) = 18: the 18th highest
    assert threshold(own, 0.9) == own[1]
    assert threshold(own, 0.95) == own[0]
    assert threshold(own, 0.5) == own[9]


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("images", [39, 99, 500])
def test_it_is_that_of_scores_one_minus_probability(images, coverage):
    own = np.random.default_rng(images).random(images)
    level = np.ceil(round((images + 1) * coverage, 9)) / images
    quantile = np.quantile(1 - own, level, method="inverted_cdf")
    assert threshold(own, coverage) == pytest.approx(1 - quantile, abs=1e-12)


def test_too_few_images_give_none():
    assert threshold(np.array([0.9] * 8), 0.9) is None  # 9 are needed
    assert threshold(np.array([0.9] * 9), 0.9) == 0.9
    assert threshold(np.array([]), 0.9) is None


def test_labels_that_are_impossible_to_the_model_keep_every_class():
    assert threshold(np.array([0.0] * 5 + [0.9] * 15), 0.9) == 0


def test_coverage_holds_on_images_that_were_not_calibrated_on():
    """Mean and spread of the real coverage over 1000 splits, n = 80."""
    random = np.random.default_rng(0)
    reached = []
    for _ in range(1000):
        limit = threshold(random.random(80), 0.9)
        reached.append(1 - limit)  # of a uniform score, exactly
    assert np.mean(reached) == pytest.approx(0.9, abs=0.005)
    assert np.mean(reached) >= 0.9 - 0.003
    assert np.std(reached) == pytest.approx(coverage_spread(80, 0.9), abs=0.003)
    assert coverage_spread(80, 0.9) == pytest.approx(0.0331, abs=1e-4)
