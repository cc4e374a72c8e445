"""The metrics beside top-1 are scikit-learn's."""

import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, f1_score, top_k_accuracy_score

from tlf.builtin.metrics import BalancedAccuracy, MacroF1, Top5, tlf_metrics


@pytest.fixture(params=[2, 7])
def predictions(request):
    random = torch.Generator().manual_seed(request.param)
    probabilities = torch.rand(60, request.param, generator=random).softmax(1)
    return probabilities, torch.randint(0, request.param, (60,), generator=random)


def test_they_are_scikit_learns(predictions):
    probabilities, labels = predictions
    predicted = probabilities.argmax(1)
    expected = balanced_accuracy_score(labels, predicted)
    assert BalancedAccuracy().measure(probabilities, labels) == pytest.approx(expected)
    expected = f1_score(labels, predicted, average="macro")
    assert MacroF1().measure(probabilities, labels) == pytest.approx(expected)


def test_a_class_without_eval_images_counts_where_it_is_predicted():
    probabilities, labels = torch.eye(4)[[0, 0, 1, 3]], torch.tensor([0, 1, 1, 0])
    assert BalancedAccuracy().measure(probabilities, labels) == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert MacroF1().measure(probabilities, labels) == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    expected = f1_score(labels, probabilities.argmax(1), average="macro")
    assert MacroF1().measure(probabilities, labels) == pytest.approx(expected)


def test_top5_is_scikit_learns_and_needs_more_classes():
    random = torch.Generator().manual_seed(0)
    probabilities = torch.rand(60, 8, generator=random)
    labels = torch.randint(0, 8, (60,), generator=random)
    expected = top_k_accuracy_score(labels, probabilities, k=5, labels=range(8))
    assert Top5().measure(probabilities, labels) == pytest.approx(expected)
    with pytest.raises(ValueError, match="top5 needs more than 5 classes, got 5; leave it out"):
        Top5().measure(probabilities[:, :5], labels)


@pytest.mark.parametrize("kind", tlf_metrics())
def test_ten_thousand_classes_need_little_memory(kind):
    labels = torch.arange(50) * 199
    certain = torch.zeros(50, 10_000).scatter(1, labels[:, None], 1.0)
    assert tlf_metrics()[kind]().measure(certain, labels) == 1.0
