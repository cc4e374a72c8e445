"""Which images judge a head."""

from types import SimpleNamespace

import numpy as np
import torch

from tlf.studies.judged import judged_images
from tlf.studies.learning_rate.deals import deals_of, judge
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


def test_a_head_whose_loss_is_not_finite_is_never_right():
    job = SimpleNamespace(losses=lambda logits, labels: logits.sum(1), task=TASKS["single-label"])
    judged = judged_images(np.array([0, 1] * 5), np.arange(10), ("a", "b"), 0, 1)
    deal = deals_of(judged, [0])[0]
    logits, labels = torch.tensor([[2.0, 1.0], [1.0, 3.0]]), torch.tensor([0, 0])
    found = judge(job, deal, 3, logits, labels)
    assert (found.rate, found.loss, found.right.tolist()) == (3, 3.5, [True, False])
    for broken in (None, logits * float("nan")):
        found = judge(job, deal, 3, broken, labels)
        assert np.isnan(found.loss)
        assert not found.right.any()
