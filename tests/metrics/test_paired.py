"""Comparisons over seeds and splits: their numbers by hand, and how often they claim wrongly."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import t

from tlf.metrics import paired
from tlf.metrics.paired import Difference, bca, joint_level, over_seeds, over_splits
from tlf.tasks import TASKS
from tlf.tasks.multi_label_figures import average_precisions

FOLDS = 5
NOMINAL = 0.05


def folds_of(labels, repeats, random):
    """Repeated stratified folds (repeats, N)."""
    found = np.empty((repeats, len(labels)), np.int64)
    for row in found:
        order = random.permutation(len(labels))
        row[order[np.argsort(labels[order], kind="stable")]] = np.arange(len(labels)) % FOLDS
    return found


def probed(features, labels, folds):
    """Whether the nearest class mean of the other folds is right, for each image (repeats, N)."""
    right = np.empty(folds.shape)
    for row, fold in zip(right, folds, strict=True):
        for part in range(FOLDS):
            train, held_out = fold != part, fold == part
            means = np.stack([features[train & (labels == k)].mean(0) for k in (0, 1)])
            distances = ((features[held_out, None] - means) ** 2).sum(2)
            row[held_out] = distances.argmin(1) == labels[held_out]
    return right


def probes(random, images, noises, repeats=3, wide=6):
    """Candidates that see the same latent value of each image, each with a noise of its own."""
    labels = random.integers(0, 2, images)
    latent = (2 * labels - 1) * 0.8 + 0.7 * random.normal(size=images)
    folds = folds_of(labels, repeats, random)
    every = []
    for noise in noises:
        features = random.normal(size=(images, wide))
        features[:, 0] = latent + noise * random.normal(size=images)
        every.append(probed(features, labels, folds))
    return every, folds


def trained(random, images, seeds, lead=0.0):
    """Two candidates with an effect of the image, of the seed, and of both."""
    shared = random.normal(size=images) + 1.2
    return [
        shared + more + 0.6 * random.normal(size=images) + 0.3 * random.normal(size=(seeds, 1))
        + 0.4 * random.normal(size=(seeds, images)) > 0
        for more in (0.0, lead)
    ]  # fmt: skip


def test_the_variance_of_splits_is_corrected():
    random = np.random.default_rng(0)
    (first, second), folds = probes(random, 60, (1.5, 0.2))
    found = over_splits(first, second, folds)
    means = [(b - a)[fold == part].mean() for a, b, fold in zip(first, second, folds, strict=True)
             for part in range(FOLDS)]  # fmt: skip
    reach = t.ppf(0.975, 14) * np.sqrt(np.var(means, ddof=1) * (1 / 15 + 1 / 4))
    assert found.value == pytest.approx(np.mean(second - first))
    assert found.low == pytest.approx(found.value - reach)
    assert found.high == pytest.approx(found.value + reach)
    assert (found.images, found.draws) == (60, 15)


@pytest.mark.parametrize("noise", [0.2, 1.45])
def test_a_fold_without_images_does_not_count(noise):
    """Images of a class may miss a fold. The second candidate is better, or it cannot be told."""
    random = np.random.default_rng(0)
    (first, second), folds = probes(random, 60, (1.5, noise))
    folds[0, folds[0] == 3] = 4
    found = over_splits(first, second, folds)
    means = [(b - a)[fold == part].mean() for a, b, fold in zip(first, second, folds, strict=True)
             for part in np.unique(fold)]  # fmt: skip
    reach = t.ppf(0.975, 13) * np.sqrt(np.var(means, ddof=1) * (1 / 14 + 1 / 4))
    assert found.low == pytest.approx(found.value - reach)
    assert found.high == pytest.approx(found.value + reach)
    assert (found.images, found.draws, found.better) == (60, 14, int(noise < 1))
    assert (found.images_needed is None) == bool(found.better)


def test_one_fold_with_images_claims_nothing():
    first, second = np.zeros((2, 6)), np.ones((2, 6))
    for folds in (np.full((1, 6), 3), np.zeros((2, 6), int)):
        for groups in (None, np.arange(6)):
            found = over_splits(first[: len(folds)], second[: len(folds)], folds, groups)
            assert (found.low, found.value, found.high, found.better) == (-1, 1, 1, 0)
            assert (found.images, found.draws) == (6, len(folds))


def test_an_interval_is_no_narrower_than_that_of_images_drawn_anew():
    random = np.random.default_rng(1)
    first, second = np.zeros((4, 30)), (random.random((1, 30)) < 0.3).repeat(4, 0)
    found = over_seeds(first, second)
    low, high = bca(second[0].astype(float))
    assert found.low <= low < high <= found.high


def test_bca_is_scipys_and_ends_where_nothing_varies():
    values = np.random.default_rng(0).random(50) ** 3
    low, high = bca(values)
    assert low < values.mean() < high
    assert high - values.mean() > values.mean() - low  # skewed as the values are
    assert bca(np.ones(4)) == (1.0, 1.0)
    large = np.random.default_rng(0).random(2500)
    assert bca(large)[0] == pytest.approx(large.mean() - 1.96 * large.std() / 50, abs=1e-3)


def test_fewer_than_five_are_no_claim():
    first, second = np.zeros((4, 50)), np.ones((4, 50))
    assert over_seeds(first, second).low == 1
    assert over_seeds(first, second).better == 0
    again = over_seeds(np.zeros((5, 50)), np.ones((5, 50)))
    assert again.better == 1
    assert over_seeds(np.zeros((5, 4)), np.ones((5, 4))).better == 0
    assert Difference(-0.2, -0.3, -0.1, 50, 5).better == -1


def test_fewer_images_than_seeds_say_less_about_how_results_vary():
    """The degrees of freedom are those of the images."""
    random = np.random.default_rng(0)
    first, second = np.zeros((20, 6)), random.random((20, 6)) < [[0.1, 0.2, 0.9, 0.5, 0.4, 0.6]]
    found = over_seeds(first, second)
    by_image = second.mean(0)
    assert found.high - found.value >= t.ppf(0.975, 5) * by_image.std(ddof=1) / np.sqrt(6) - 1e-9


def test_more_seeds_help_where_images_are_many():
    random = np.random.default_rng(4)
    luck = np.array([0.10, -0.06, 0.08, -0.02, 0.05])[:, None]
    first = (random.random((1, 4000)) < 0.5).repeat(5, 0)
    second = np.where(random.random((5, 4000)) < np.abs(luck), luck > 0, first)
    found = over_seeds(first, second)
    assert found.better == 0
    assert found.draws_needed > 5
    assert found.images_needed is None


def test_where_images_are_few_more_seeds_would_not_tell():
    random = np.random.default_rng(5)
    first = (random.random((1, 50)) < 0.5).repeat(10, 0)
    second = first.copy()
    second[:, :9] = random.random(9) < 0.6  # the same in every seed
    found = over_seeds(first, second)
    assert found.better == 0
    assert found.draws_needed is None
    assert found.images_needed > 50


def test_equal_candidates_are_not_told_apart():
    right = np.random.default_rng(0).random((5, 40)) < 0.8
    found = over_seeds(right, right)
    assert (found.value, found.low, found.high) == (0, 0, 0)
    assert found.better == 0
    assert found.images_needed is found.draws_needed is None


def claims(simulations, images, noises=(0.6, 0.6, 0.6), seed=0):
    """The rate of experiments in which any pair of candidates is told apart."""
    random, wrong = np.random.default_rng(seed), 0
    level = joint_level(len(noises))
    for _ in range(simulations):
        every, folds = probes(random, images, noises)
        pairs = combinations(every, 2)
        wrong += any(over_splits(a, b, folds, level=level).better for a, b in pairs)
    return wrong / simulations


def seed_claims(simulations, images, seeds, lead=0.0):
    random = np.random.default_rng(seeds)
    found = [over_seeds(*trained(random, images, seeds, lead)) for _ in range(simulations)]
    return np.mean([one.better > 0 for one in found]), np.mean([one.better != 0 for one in found])


@pytest.fixture
def rough(monkeypatch):
    """A quick bootstrap."""
    monkeypatch.setattr(paired, "RESAMPLES", 499)


@pytest.mark.usefixtures("rough")
def test_claims_are_seldom_wrong_and_often_right():
    assert claims(20, 40) <= 0.1
    assert seed_claims(40, 60, 5)[1] <= 0.15
    assert claims(5, 100, (3.0, 0.1)) > 0.7


@pytest.mark.slow
@pytest.mark.parametrize("images", [30, 60, 150])
def test_three_equal_candidates_of_splits(images, monkeypatch):
    """In 1,000 experiments, any wrong claim among three pairs."""
    monkeypatch.setattr(paired, "RESAMPLES", 1999)
    assert claims(1000, images) <= NOMINAL


@pytest.mark.slow
def test_thirteen_equal_candidates_of_splits(monkeypatch):
    """As many as learning rates; in 60 experiments, any wrong claim among 78 pairs."""
    monkeypatch.setattr(paired, "RESAMPLES", 1999)
    assert claims(60, 150, (1.0,) * 13) <= NOMINAL


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [5, 10])
@pytest.mark.parametrize("images", [6, 40, 150])
def test_two_equal_candidates_of_seeds(images, seeds, monkeypatch):
    """In 1,000 experiments."""
    monkeypatch.setattr(paired, "RESAMPLES", 1999)
    assert seed_claims(1000, images, seeds)[1] <= NOMINAL


@pytest.mark.slow
@pytest.mark.parametrize(("images", "seeds", "power"), [(150, 10, 0.55), (600, 10, 0.75)])
def test_power_over_seeds(images, seeds, power, monkeypatch):
    """In 300 experiments with a difference of 8 points."""
    monkeypatch.setattr(paired, "RESAMPLES", 1999)
    assert seed_claims(300, images, seeds, lead=0.5)[0] >= power


def ranked(random, images, rates, seeds, lead=0.0):
    """What images count for the mAP of two candidates, with an effect of the image and of both."""
    labels = random.random((images, len(rates))) < rates
    shared = 2.0 * labels + random.normal(size=labels.shape)
    found = []
    for more in (0.0, lead):
        own = shared + more * labels + 0.7 * random.normal(size=labels.shape)
        every = [own + 0.5 * random.normal(size=labels.shape) for _ in range(seeds)]
        found.append(np.stack([TASKS["multi-label"].per_image(one, labels) for one in every]))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("images", "rates", "seeds", "most"),
    [
        (60, (0.3, 0.1, 0.05), 5, NOMINAL),
        (150, (0.3, 0.1, 0.03, 0.02), 5, NOMINAL),
        (400, (0.3, 0.1, 0.03, 0.02, 0.01, 0.005), 5, NOMINAL),
        (400, (0.02, 0.01, 0.005), 10, 0.1),  # 2, 4 and 8 images say little
    ],
)
def test_two_equal_candidates_with_several_labels(images, rates, seeds, most, monkeypatch):
    """In 400 experiments; and 60 in which the second is better."""
    monkeypatch.setattr(paired, "RESAMPLES", 999)
    random = np.random.default_rng(0)

    def found(lead):
        return over_seeds(*ranked(random, images, np.array(rates), seeds, lead)).better

    assert np.mean([found(0.0) != 0 for _ in range(400)]) <= most
    assert np.mean([found(1.0) > 0 for _ in range(60)]) >= 0.3


def test_the_interval_of_map_is_that_of_a_bootstrap_over_images():
    random = np.random.default_rng(1)
    labels = random.random((300, 4)) < np.array([0.4, 0.2, 0.1, 0.05])
    scores = [labels + random.normal(size=labels.shape) for _ in range(2)]
    one, other = (TASKS["multi-label"].per_image(each, labels) for each in scores)
    drawn = random.integers(0, 300, (200, 300))
    maps = [[average_precisions(s[d], labels[d]).mean() for s in scores] for d in drawn]
    spread = np.diff(np.array(maps), axis=1).std()
    assert (other - one).std() / 300**0.5 == pytest.approx(spread, rel=0.2)


@pytest.mark.slow
def test_folds_that_are_dealt_once(monkeypatch):
    """In 400 experiments with two equal candidates; and 100 with a difference of 16 points."""
    monkeypatch.setattr(paired, "RESAMPLES", 1999)
    random = np.random.default_rng(0)

    def found(noises):
        every, folds = probes(random, 150, noises, repeats=1)
        return over_splits(*every, folds).better

    assert np.mean([found((1.0, 1.0)) != 0 for _ in range(400)]) <= NOMINAL
    assert np.mean([found((1.5, 0.3)) > 0 for _ in range(100)]) >= 0.4


@pytest.mark.slow
def test_power_over_splits(monkeypatch):
    """In 100 experiments with a difference of 16 points."""
    monkeypatch.setattr(paired, "RESAMPLES", 1999)
    assert claims(100, 150, (1.5, 0.3)) >= 0.75


@pytest.mark.slow
def test_the_images_that_are_needed_would_tell(monkeypatch):
    """So many as experiments of 60 images ask for (the median) tell in about 80 %."""
    monkeypatch.setattr(paired, "RESAMPLES", 1999)
    random, needed = np.random.default_rng(0), []
    for _ in range(200):
        (first, second), folds = probes(random, 60, (1.5, 0.3))
        found = over_splits(first, second, folds)
        needed.append(found.images_needed or 60)
    assert 0.6 <= claims(100, int(np.median(needed)), (1.5, 0.3)) <= 0.95
