"""Groups of images are drawn whole: against naive references, and how often claims are wrong."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap, t

from predicted_sets import drawn
from tlf.metrics import paired
from tlf.metrics.comparison import compare
from tlf.metrics.evaluation import evaluation
from tlf.metrics.groups import (
    FEWEST,
    groups_having,
    groups_of_classes,
    influences,
    sign_test,
    sums,
)
from tlf.metrics.multi_label.comparison import compare as compare_labels
from tlf.metrics.multi_label.evaluation import evaluation as evaluate_labels
from tlf.metrics.multi_label.predicted import MultiLabelPredicted
from tlf.metrics.paired import bca, over_seeds, over_splits
from tlf.metrics.predicted import Predicted
from tlf.metrics.resampling import figures, resampled
from tlf.tasks import TASKS

NOMINAL = 0.05


def groups_of(random, images, size, *, equal):
    """Numbers of groups, with gaps and in no order."""
    if equal:
        return random.permutation(np.arange(images) // size * 3 + 1)
    return random.integers(0, images // size, images) * 3 + 1


def within(random, groups, share=0.9):
    """A value for each image, most of which its group shares."""
    _, own = np.unique(groups, return_inverse=True)
    of_groups = random.normal(size=own.max() + 1)[own]
    return share**0.5 * of_groups + (1 - share) ** 0.5 * random.normal(size=len(groups))


def trained(random, groups, seeds, lead=0.0):
    """Two candidates with effects of the group, the image and the seed: (seeds, N) each."""
    shared = within(random, groups) + 1.2
    return [
        (shared + more + 0.6 * within(random, groups) + 0.3 * random.normal(size=(seeds, 1))
         + 0.4 * random.normal(size=(seeds, len(groups))) > 0).astype(float)
        for more in (0.0, lead)
    ]  # fmt: skip


def models(random, groups, lead=0.0):
    """Whether each of two models is right, for each image."""
    shared = within(random, groups) + 1.2
    return [shared + more + 0.8 * within(random, groups) > 0 for more in (0.0, lead)]


def labelled(random, groups, skill=1.0):
    """Predictions of a model with a skill that differs from group to group."""
    labels = random.integers(0, 3, len(groups))
    logits = 0.5 * random.normal(size=(len(groups), 3))
    logits[np.arange(len(groups)), labels] += skill + 0.9 * within(random, groups)
    powers = np.exp(logits)
    names = tuple(map(str, range(len(groups))))
    probabilities = powers / powers.sum(1, keepdims=True)
    return Predicted(names, labels, probabilities, ("a", "b", "c"), groups)


def test_what_a_group_counts_gives_the_sandwich_of_clusters():
    """The cluster-robust variance of a mean, as a regression on a constant has it (CR1)."""
    random = np.random.default_rng(0)
    groups = groups_of(random, 90, 6, equal=False)
    values = within(random, groups)
    residuals, known = values - values.mean(), np.unique(groups)
    meat = sum(residuals[groups == one].sum() ** 2 for one in known)
    sandwich = meat / 90**2 * len(known) / (len(known) - 1)
    each = influences(values, groups)
    assert each.mean() == pytest.approx(values.mean())
    assert each.var(ddof=1) / len(each) == pytest.approx(sandwich)
    assert sums(np.stack([values, 2 * values]), groups)[1].tolist() == pytest.approx(
        [2 * values[groups == one].sum() for one in known]
    )


def test_groups_of_one_image_are_images():
    random = np.random.default_rng(1)
    alone = random.permutation(60)
    one, other = trained(random, alone, 5)
    found, plain = over_seeds(one, other, alone), over_seeds(one, other)
    assert (found.groups, found.groups_needed) == (60, pytest.approx(plain.images_needed, abs=1))
    assert (found.value, found.low, found.high) == pytest.approx(
        (plain.value, plain.low, plain.high), abs=0.004
    )
    for first, second in ((3, 9), (0, 6), (5, 5), (40, 70)):
        changes = np.array([-1] * first + [1] * second + [0] * 7)
        exact = binomtest(first, first + second).pvalue
        assert sign_test(changes) == pytest.approx(exact, rel=1e-9)
    assert sign_test(np.zeros(4, np.int64)) == 1


def test_the_exact_test_counts_every_way_to_choose_signs():
    changes = np.array([3, -1, 2, 0, 2, -1, 4])
    every = [abs(np.dot(signs, changes)) for signs in product((-1, 1), repeat=len(changes))]
    assert sign_test(changes) == pytest.approx(np.mean(np.array(every) >= abs(changes.sum())))


def test_a_resample_draws_groups_whole():
    groups = np.array([7, 7, 2, 7, 9, 9])
    (block,) = resampled(6, 500, 0, groups)
    for one in (7, 2, 9):
        assert (np.ptp(block[:, groups == one], axis=1) == 0).all()
    assert {*(block[:, [0, 2, 4]].sum(1))} == {3.0}
    assert block[:, [0, 2, 4]].mean(0) == pytest.approx(np.ones(3), abs=0.15)


def test_bca_is_that_of_groups():
    random = np.random.default_rng(2)
    groups = groups_of(random, 80, 5, equal=False)
    values = within(random, groups) ** 3
    each = [values[groups == one] for one in np.unique(groups)]

    def mean(*places):
        return np.concatenate([each[place] for place in np.ravel(places)]).mean()

    low, high = bca(values, groups)
    naive = bootstrap(
        (np.arange(len(each)),), mean, n_resamples=2000, vectorized=False, method="BCa", rng=0
    ).confidence_interval
    spread = naive.high - naive.low
    assert (low, high) == pytest.approx((naive.low, naive.high), abs=0.1 * spread)
    assert high - low > 1.3 * np.ptp(bca(values))
    assert bca(np.ones(20), groups[:20]) == (1.0, 1.0)


def test_figures_are_those_of_a_naive_bootstrap_over_groups():
    random = np.random.default_rng(3)
    groups = groups_of(random, 120, 4, equal=False)
    predicted = labelled(random, groups)
    found = evaluation(predicted, resamples=4000)
    right, known = predicted.predicted == predicted.labels, np.unique(groups)
    assert found.groups == len(known)
    places = [np.flatnonzero(groups == one) for one in known]
    tops = []
    for _ in range(4000):
        taken = np.concatenate([places[n] for n in random.integers(0, len(known), len(known))])
        tops.append(right[taken].mean())
    scale = (len(known) / (len(known) - 1)) ** 0.5 * t.ppf(0.975, len(known) - 1)
    top1 = found.headline["top1"]
    assert top1.value == right.mean()
    assert (top1.high - top1.low) / 2 == pytest.approx(scale * np.std(tops), rel=0.08)
    plain = evaluation(replace(predicted, groups=None), resamples=500)
    assert plain.groups is None
    values = {name: one.value for name, one in plain.headline.items()}
    assert {name: one.value for name, one in found.headline.items()} == pytest.approx(values)
    assert top1.high - top1.low > plain.headline["top1"].high - plain.headline["top1"].low


def test_the_order_of_images_does_not_matter():
    random = np.random.default_rng(4)
    one = labelled(random, groups_of(random, 60, 4, equal=False))
    other = labelled(random, one.groups, skill=2.0)
    other = replace(other, labels=one.labels)
    order = random.permutation(60)
    shuffled = [
        Predicted(tuple(each.names[n] for n in order), each.labels[order],
                  each.probabilities[order], each.classes, each.groups[order])
        for each in (one, other)
    ]  # fmt: skip
    assert (
        evaluation(shuffled[0], resamples=50).per_class == evaluation(one, resamples=50).per_class
    )
    found = compare(shuffled[0], replace(other, groups=None), resamples=50)
    assert (found.top1, found.p_value) == (
        compare(one, other, resamples=50).top1, compare(one, other, resamples=50).p_value
    )  # fmt: skip


def test_few_groups_give_figures_and_no_interval():
    random = np.random.default_rng(5)
    few = np.arange(40) % (FEWEST - 1)
    one, other = labelled(random, few), labelled(random, few, skill=9.0)
    other = replace(other, labels=one.labels, probabilities=np.eye(3)[one.labels])
    found = evaluation(one, resamples=20)
    assert found.groups == 4
    assert {one.low for one in found.headline.values()} == {None}
    assert "4 groups (data.group): there is no interval, which takes at least 5" in "\n".join(
        found.lines()
    ).replace("\n", " ")
    better = compare(one, other, resamples=20)
    assert (better.distinguishable, better.groups_needed, better.top1.low) == (False, None, None)
    assert "no verdict from 4 groups of images" in "\n".join(better.lines("a", "b"))
    for difference in (
        over_seeds(np.zeros((6, 40)), np.ones((6, 40)), few),
        over_splits(np.zeros((2, 40)), np.ones((2, 40)), np.stack([few, few]), few),
        over_seeds(np.zeros((6, 40)), np.ones((6, 40)), few * 0),
    ):
        assert (difference.low, difference.value, difference.high) == (-1, 1, 1)
        assert (difference.better, difference.groups_needed) == (0, None)
    told = over_seeds(np.zeros((6, 40)), np.ones((6, 40)), np.arange(40) % FEWEST)
    assert told.better == 1


def test_a_class_in_few_groups_has_no_interval():
    labels, groups = np.array([0] * 20 + [1] * 4), np.arange(24) // 2
    predicted = Predicted(
        tuple(map(str, range(24))), labels, np.eye(2)[labels * (groups % 2)], ("a", "b"), groups
    )
    common, rare = evaluation(predicted, resamples=50).per_class
    assert groups_of_classes(labels, 2, groups).tolist() == [10, 2]
    assert common.recall.low is not None
    assert (rare.recall.value, rare.recall.low, rare.f1.low, rare.precision.low) == (
        0.5, None, None, None
    )  # fmt: skip


def labels_of(random, groups, lead=0.0):
    labels = random.random((len(groups), 3)) < [0.5, 0.3, 0.15]
    own = np.stack([within(random, groups) for _ in range(3)], axis=1)
    scores = 1 / (1 + np.exp(-(2 + lead) * labels + 1 - own))
    names = tuple(map(str, range(len(groups))))
    return MultiLabelPredicted(names, labels, scores, tuple("abc"), scores > 0.5, None, groups)


def test_map_of_groups_is_wider_than_that_of_images():
    random = np.random.default_rng(6)
    groups = np.arange(200) // 10
    one = labels_of(random, groups)
    found, plain = (
        evaluate_labels(each, resamples=300) for each in (one, replace(one, groups=None))
    )
    assert (found.groups, plain.groups) == (20, None)
    assert found.headline["map"].value == pytest.approx(plain.headline["map"].value)
    assert found.headline["hamming_loss"].low < plain.headline["hamming_loss"].low
    assert groups_having(one.labels, groups).tolist() == [
        sum(one.labels[groups == g, k].any() for g in range(20)) for k in range(3)
    ]
    other = replace(labels_of(random, groups, 3.0), labels=one.labels)
    compared = compare_labels(one, other, resamples=200)
    assert compared.groups == 20
    few = replace(one, groups=groups // 5)
    assert compare_labels(few, other, resamples=20).map.low is None
    assert not compare_labels(few, other, resamples=20).distinguishable
    assert (
        "no verdict from 4 groups"
        in [*compare_labels(few, other, resamples=20).lines("a", "b")][-1]
    )


def test_the_spread_of_map_is_that_of_groups_drawn_anew():
    """What images count for mAP, summed for each group, against mAP of resamples of groups."""
    random = np.random.default_rng(7)
    groups = np.arange(600) // 6
    one = labels_of(random, groups)
    counted = influences(TASKS["multi-label"].per_image(one.probabilities, one.labels), groups)
    spread = evaluate_labels(one, resamples=400).headline["map"]
    reach = t.ppf(0.975, 99) * counted.std(ddof=1) / 10
    assert reach == pytest.approx((spread.high - spread.low) / 2, rel=0.15)


def test_more_groups_are_asked_for_where_these_do_not_tell():
    random = np.random.default_rng(8)
    groups = np.arange(150) // 10
    one, other = trained(random, groups, 10, lead=0.2)
    found = over_seeds(one, other, groups)
    assert (found.better, found.groups, found.images_needed) == (0, 15, None)
    assert (found.groups_needed or 0) > 15 or (found.draws_needed or 0) > 10
    first, second = drawn(60, 4), drawn(60, 4, skill=2.3)
    told = compare(replace(first, groups=np.arange(60) // 3), replace(second, labels=first.labels))
    assert told.images_needed is None
    assert told.groups == 20
    assert told.groups_needed is None or told.groups_needed > 20


def test_the_further_quantiles_are_those_of_few_groups():
    values = np.random.default_rng(0).normal(size=(1, 200_000))
    widths = [
        np.ptp([found.low, found.high])
        for groups in (None, 1000, 10, 5)
        for found in figures(np.zeros(1), values, np.inf, -np.inf, groups)
    ]
    scaled = [2 * (n / (n - 1)) ** 0.5 * t.ppf(0.975, n - 1) for n in (1000, 10, 5)]
    assert widths[1:] == pytest.approx(scaled, rel=0.05)
    assert widths[0] == pytest.approx(2 * 1.96, rel=0.02)


def seed_claims(simulations, size, seeds, lead=0.0, *, equal=True):
    """The rates of experiments with 150 images in which the second, and any, candidate wins."""
    random, found = np.random.default_rng(size + seeds), []
    for _ in range(simulations):
        groups = groups_of(random, 150, size, equal=equal)
        found.append(over_seeds(*trained(random, groups, seeds, lead), groups).better)
    return np.mean([one > 0 for one in found]), np.mean([one != 0 for one in found])


def model_claims(simulations, images, size, lead=0.0, *, equal=True):
    random, found = np.random.default_rng(images + size), []
    for _ in range(simulations):
        groups = groups_of(random, images, size, equal=equal)
        first, second = models(random, groups, lead)
        found.append(sign_test(sums(second.astype(np.int64) - first, groups)) < NOMINAL)
    return np.mean(found)


def covered(simulations, images, size):
    """How often an interval of top-1 holds the top-1 of a million images."""
    random, found = np.random.default_rng(0), []
    whole = labelled(random, np.arange(1_000_000) // size)
    truth = (whole.predicted == whole.labels).mean()
    for _ in range(simulations):
        one = labelled(random, np.arange(images) // size)
        top1 = evaluation(one, resamples=500).headline["top1"]
        found.append(top1.low <= truth <= top1.high)
    return np.mean(found)


def test_claims_are_seldom_wrong_and_intervals_mostly_right(monkeypatch):
    monkeypatch.setattr(paired, "RESAMPLES", 499)
    assert seed_claims(40, 10, 10)[1] <= 0.1
    assert seed_claims(10, 4, 10, lead=1.5)[0] >= 0.7
    assert model_claims(300, 150, 10) <= 0.08
    assert model_claims(100, 600, 10, lead=0.7) >= 0.6
    assert covered(60, 150, 10) >= 0.85


@pytest.mark.slow
@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize(("size", "seeds", "power"), [(4, 5, 0.3), (4, 10, 0.7), (10, 10, 0.2)])
def test_two_equal_candidates_of_seeds(size, seeds, power, equal, monkeypatch):
    """In 1,000 experiments with 150 images; and 200 in which the second is better by some 13
    points.
    """
    monkeypatch.setattr(paired, "RESAMPLES", 999)
    assert seed_claims(1000, size, seeds, equal=equal)[1] <= NOMINAL
    assert seed_claims(200, size, seeds, lead=1.0, equal=equal)[0] >= power


@pytest.mark.slow
@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize(
    ("images", "size", "power"), [(150, 4, 0.2), (150, 10, 0.02), (600, 10, 0.5)]
)
def test_two_equal_models(images, size, power, equal):
    """In 1,000 experiments; and 300 in which the second is better."""
    assert model_claims(1000, images, size, equal=equal) <= NOMINAL + 0.01
    assert model_claims(300, images, size, lead=0.7, equal=equal) >= power


@pytest.mark.slow
@pytest.mark.parametrize(("images", "size"), [(80, 10), (150, 10), (152, 4), (1000, 10)])
def test_intervals_hold_the_true_figure(images, size):
    """In 1,000 sets."""
    assert 0.92 <= covered(1000, images, size) <= 0.98
