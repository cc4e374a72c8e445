"""Which images judge a head."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from tlf.studies.judged import judged_images
from tlf.studies.learning_rate.deals import Deal, deals_of, judge
from tlf.tasks import TASKS


def test_each_seed_holds_out_each_image_once():
    labels = np.array([0, 1, 2] + [0, 1] * 10)
    judged = judged_images(labels, np.arange(23), ("a", "b", "rare"), 7, 3)
    deals = deals_of(judged, [7, 8, 9])
    assert [deal.number for deal in deals] == [*range(15)]
    for seed in (7, 8, 9):
        held_out = [image for deal in deals if deal.seed == seed for image in deal.held_out]
        assert sorted(held_out) == [n for n in range(23) if n != 2]
    assert deals[0].held_out != deals[5].held_out


def test_a_head_for_several_labels_is_judged_by_the_map_of_the_classes_that_judge():
    random, task = np.random.default_rng(0), TASKS["multi-label"]
    job = SimpleNamespace(losses=lambda logits, labels: logits.sum(1), task=task)
    logits, labels = random.normal(size=(12, 3)), random.random((12, 3)) < 0.5
    deal = Deal(0, 0, tuple(range(12)), among=(0, 2))
    found = judge(job, deal, 1, torch.tensor(logits), torch.tensor(labels).byte())
    expected = average_precision_score(labels[:, [0, 2]], logits[:, [0, 2]], average="macro")
    assert found.per_image.mean() == pytest.approx(expected)


def test_a_head_whose_loss_is_not_finite_is_never_right():
    job = SimpleNamespace(losses=lambda logits, labels: logits.sum(1), task=TASKS["single-label"])
    judged = judged_images(np.array([0, 1] * 5), np.arange(10), ("a", "b"), 0, 1)
    deal = deals_of(judged, [0])[0]
    logits, labels = torch.tensor([[2.0, 1.0], [1.0, 3.0]]), torch.tensor([0, 0])
    found = judge(job, deal, 3, logits, labels)
    assert (found.rate, found.loss, found.per_image.tolist()) == (3, 3.5, [True, False])
    for broken in (None, logits * float("nan")):
        found = judge(job, deal, 3, broken, labels)
        assert np.isnan(found.loss)
        assert not found.per_image.any()


def test_losses_are_averaged_on_the_host_as_some_devices_have_no_float64():
    class OnDevice:
        def isfinite(self):
            return torch.ones(2, dtype=torch.bool)

        def cpu(self):
            return torch.tensor([1.0, 4.0])

    job = SimpleNamespace(losses=lambda logits, labels: OnDevice(), task=TASKS["single-label"])
    logits, labels = torch.tensor([[2.0, 1.0], [1.0, 3.0]]), torch.tensor([0, 0])
    found = judge(job, Deal(0, 0, (0, 1)), 0, logits, labels)
    assert found.loss == 2.5
    assert found.per_image.tolist() == [1.0, 0.0]
