import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from tlf.tasks.multi_label_figures import (
    average_precision_shares,
    average_precisions,
    best_thresholds,
    f1_scores,
)


def test_each_class_has_scikit_learns_average_precision():
    generator = np.random.default_rng(1)
    scores, labels = generator.random((50, 3)).round(1), generator.random((50, 3)) < 0.2
    expected = [average_precision_score(labels[:, k], scores[:, k]) for k in range(3)]
    assert average_precisions(scores, labels) == pytest.approx(expected, abs=1e-12)


def test_each_class_has_scikit_learns_f1():
    generator = np.random.default_rng(2)
    predicted, labels = (generator.random((50, 3)) < 0.3 for _ in range(2))
    by_class, together = f1_scores(predicted, labels)
    assert by_class == pytest.approx(f1_score(labels, predicted, average=None), abs=1e-12)
    assert together == pytest.approx(f1_score(labels, predicted, average="micro"), abs=1e-12)


def test_what_each_image_counts_is_the_derivative_of_scikit_learns_figure():
    generator = np.random.default_rng(5)
    scores, labels = generator.random((40, 3)).round(1), generator.random((40, 3)) < 0.3
    labels[:, 2] = False
    found = dict(average_precision_shares(scores, labels))
    assert [*found] == [0, 1]
    for k, shares in found.items():
        own, has = scores[:, k], labels[:, k]
        figure, count = average_precision_score(has, own), has.sum()
        assert shares.mean() == pytest.approx(figure, abs=1e-12)
        tiny = 1e-6 * np.eye(40)
        more = [average_precision_score(has, own, sample_weight=1 + one) for one in tiny]
        at = np.array([(has & (own >= one)).sum() / (own >= one).sum() for one in own])
        unbiased = 40 / count * (np.sqrt(count / (count - 1)) - 1) * np.where(has, at - figure, 0)
        derived = figure + 40 * (np.array(more) - figure) / 1e-6
        assert shares == pytest.approx(derived + unbiased, abs=1e-3)


def test_a_class_that_no_image_has_is_not_a_number():
    labels = np.array([[True, False]])
    assert np.isnan(average_precisions(np.ones((1, 2)), labels)).tolist() == [False, True]
    assert np.isnan(f1_scores(labels, labels)[0]).tolist() == [False, True]


def test_the_threshold_of_a_frequent_class_has_the_best_f1():
    generator = np.random.default_rng(3)
    labels = generator.random(4000) < 0.3
    scores = np.clip(0.3 * labels + 0.6 * generator.random(4000), 0, 1).round(2)
    (found,) = best_thresholds(scores[:, None], labels[:, None])
    others = [f1_score(labels, scores >= one) for one in np.arange(0.005, 1, 0.01)]
    assert f1_score(labels, scores >= found) == pytest.approx(max(others), abs=2e-3)


def test_a_class_whose_images_are_not_ranked_first_is_not_given_to_nearly_every_image():
    scores = np.linspace(0.001, 0.3, 200)[:, None]
    last, first = (np.arange(200) < 5)[:, None], (np.arange(200) >= 195)[:, None]
    assert best_thresholds(scores, last).tolist() == [0.5]
    assert best_thresholds(scores, first)[0] == pytest.approx(0.36, abs=0.01)


def test_a_class_that_no_image_has_is_predicted_from_one_half_on():
    assert best_thresholds(np.full((3, 1), 0.1), np.zeros((3, 1), bool)).tolist() == [0.5]
    certain = best_thresholds(np.full((6, 1), 0.2), np.ones((6, 1), bool))
    assert 0.1 < certain[0] < 0.5, "half way to 0, and drawn to 0.5"


def drawn(generator, images, rate):
    """Calibrated scores of a class, and which images have it."""
    labels = generator.random(images) < rate
    logits = 2.5 * (generator.normal(size=images) + 2.5 * labels) - 3.125
    return 1 / (1 + np.exp(-logits - np.log(rate / (1 - rate)))), labels


@pytest.mark.parametrize("positives", [3, 10])
def test_drawn_thresholds_are_better_on_other_images_than_one_half_and_than_the_best(positives):
    generator = np.random.default_rng(4)
    other, truth = drawn(generator, 20_000, positives / 500)
    mean = {"half": 0.0, "best": 0.0, "drawn": 0.0}
    for _ in range(60):
        scores, labels = drawn(generator, 500, positives / 500)
        (found,) = best_thresholds(scores[:, None], labels[:, None])
        count = labels.sum()
        undrawn = np.log(found / (1 - found)) * (count + 3) / count if count else 0.0
        for name, one in (("half", 0.5), ("best", 1 / (1 + np.exp(-undrawn))), ("drawn", found)):
            predicted = other >= one
            mean[name] += 2 * (predicted & truth).sum() / (predicted.sum() + truth.sum()) / 60
    assert mean["drawn"] > max(mean["half"], mean["best"]), mean
