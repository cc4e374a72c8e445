"""The fan of power laws: does it cover what more images give?"""

import numpy as np
import pytest
from scipy.stats import norm

from tlf.studies.learning_curve.fan import fan_of

SIZES = (10, 20, 40, 80, 160, 320)


def experiment(random, images, errors, hard=0.0, luck=0.0):
    """Whether each image was classified correctly (S, 2, N), and the folds.

    Parameters:
        random: the random numbers.
        images: how many there are.
        errors: the true error of each size.
        hard: how much of a result depends on the image; 0: results are independent.
        luck: how much the error of a draw varies, relative to itself: most with few images.
    """
    folds = np.stack([random.permutation(images) % 5 for _ in range(2)])
    image = random.normal(size=images)
    wrong = np.empty((len(errors), 2, images))
    for deal in range(2):
        draw = random.normal(size=images)
        for size, error in enumerate(errors):
            own = (draw + random.normal(size=images)) / np.sqrt(2)
            rank = norm.cdf(np.sqrt(hard) * image + np.sqrt(1 - hard) * own)
            varied = luck / (1 + size)
            drawn = np.exp(random.normal(0, varied, 5) - varied**2 / 2)
            wrong[size, deal] = rank < np.clip(error * drawn, 0, 1)[folds[deal]]
    return 1 - wrong, folds


def law(a, at_most, c):
    """The errors of a law that is ``at_most`` at the largest size, and those of 2 and 4 times
    as many images.
    """
    sizes = np.array([*SIZES, 640, 1280]) / SIZES[-1]
    errors = a + (at_most - a) * sizes**-c
    return errors[:6], errors[6:]


def test_a_power_law_is_foretold():
    errors, later = law(0.02, 0.06, 0.5)
    right, folds = experiment(np.random.default_rng(0), 1000, errors, 0.5, 0.2)
    fan = fan_of(SIZES, right, folds, 0)
    assert fan.problem == ""
    assert fan.fitted_from == 10
    assert [(one.factor, one.images) for one in fan.forecasts] == [(2, 640), (4, 1280)]
    for one, error in zip(fan.forecasts, later, strict=True):
        assert one.accuracy.low < 1 - error < one.accuracy.high
        assert 0 <= one.gain.low < 0.06 - error < one.gain.high
    assert fan.forecasts[0].gain.high < fan.forecasts[1].gain.high
    assert fan.hindcast.held
    assert (fan.hindcast.sizes_to, fan.hindcast.images) == (160, 320)
    assert fan.band[0][0] == pytest.approx(40)
    assert fan.band[-1][0] == pytest.approx(1280)
    assert fan.band[-1][1] == fan.forecasts[1].accuracy
    assert fan == fan_of(SIZES, right, folds, 0)


def test_a_fan_that_is_too_wide_says_nothing():
    right, folds = experiment(np.random.default_rng(0), 20, law(0.0, 0.3, 0.1)[0])
    assert fan_of(SIZES, right, folds, 0).problem.startswith("the fan is too wide: ")


def test_what_is_no_power_law_is_named():
    """A curve that is flat for long and then falls at once."""
    errors = (0.5, 0.5, 0.5, 0.5, 0.5, 0.2)
    right, folds = experiment(np.random.default_rng(0), 2000, errors)
    fan = fan_of(SIZES, right, folds, 0)
    assert fan.problem == "no power law fits these accuracies"
    assert not fan.hindcast.held


def test_first_sizes_that_follow_no_law_are_left_out():
    errors = (0.5, 0.49, *law(0.02, 0.06, 0.9)[0][2:])
    right, folds = experiment(np.random.default_rng(0), 2000, errors)
    fan = fan_of(SIZES, right, folds, 0)
    assert fan.fitted_from > 10
    assert fan.problem == ""


def test_too_few_sizes_have_no_fan():
    assert fan_of(SIZES[:3], np.ones((3, 2, 20)), np.arange(20)[None].repeat(2, 0) % 5, 0) is None


def test_probes_that_are_never_wrong_are_foretold_never_to_be():
    folds = np.arange(40)[None].repeat(2, 0) % 5
    fan = fan_of(SIZES, np.ones((6, 2, 40)), folds, 0)
    assert fan.forecasts[0].accuracy.low == 1
    assert fan.problem == ""


LAWS = (
    *((0.05, 0.0, c) for c in (0.2, 0.4, 0.6)),
    *((0.05, 0.025, c) for c in (0.2, 0.5, 0.8)),
    *((0.2, 0.0, c) for c in (0.15, 0.25)),
    *((0.2, 0.1, c) for c in (0.2, 0.4)),
)
"""The error with the largest size, that with any number of images, and the exponent: errors of the
smallest size are at most that of a guess between two classes."""


@pytest.mark.slow
@pytest.mark.parametrize(("hard", "luck"), [(0.0, 0.0), (0.7, 0.3)])
@pytest.mark.parametrize("images", [100, 250, 1000])
def test_the_fan_covers_the_truth_at_the_nominal_rate(images, hard, luck):
    """At twice and four times as many images, in 200 experiments of ten laws."""
    random = np.random.default_rng(images)
    covered, named = [], 0
    for number in range(200):
        at_most, a, c = LAWS[number % len(LAWS)]
        errors, later = law(a, at_most, c)
        right, folds = experiment(random, images, errors, hard, luck)
        fan = fan_of(SIZES, right, folds, number)
        pairs = [*zip(fan.forecasts, later, strict=True)]
        gains = [covers(one.gain, at_most - error) for one, error in pairs]
        covered.append([*(covers(one.accuracy, 1 - error) for one, error in pairs), *gains])
        named += bool(fan.problem)
    rates = np.mean(covered, 0)
    print(f"{images} images, hard {hard}: covered {rates.tolist()}, problems {named}")
    assert (rates[:2] >= 0.95).all()
    assert (rates[2:] >= 0.9).all()


def covers(spread, value):
    return spread.low <= value <= spread.high


def test_images_of_a_group_are_drawn_together():
    """Copies of an image in one group say no more than the image alone."""
    random = np.random.default_rng(3)
    right, folds = experiment(random, 60, np.array([0.5, 0.4, 0.33, 0.27, 0.22, 0.18]), hard=0.5)
    alone = fan_of(SIZES, right, folds, 0).forecasts[0].accuracy
    copies, many = np.repeat(right, 6, axis=2), np.repeat(folds, 6, axis=1)
    groups = np.repeat(np.arange(60), 6)
    grouped, images = (fan_of(SIZES, copies, many, 0, each).forecasts[0].accuracy
                       for each in (groups, None))  # fmt: skip
    assert (grouped.low, grouped.high) == pytest.approx((alone.low, alone.high))
    assert images.high - images.low < 0.7 * (grouped.high - grouped.low)
