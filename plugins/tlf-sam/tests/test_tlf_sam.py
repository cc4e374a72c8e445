"""The gradient equals that of a plain implementation, which moves the weights there and back."""

from copy import deepcopy

import pytest
import torch
from tlf_sam import Sam
from torch import nn


def plain(model, images, labels, rho):
    """Foret et al.'s algorithm 1, in place."""
    nn.functional.cross_entropy(model(images), labels).backward()
    trainable = [p for p in model.parameters() if p.grad is not None]
    length = torch.sqrt(sum(p.grad.square().sum() for p in trainable))
    steps = [rho * p.grad / length for p in trainable]
    with torch.no_grad():
        for p, step in zip(trainable, steps, strict=True):
            p += step
    model.zero_grad()
    value = nn.functional.cross_entropy(model(images), labels)
    value.backward()
    with torch.no_grad():
        for p, step in zip(trainable, steps, strict=True):
            p -= step
    return value


def loss(logits, labels):
    return nn.functional.cross_entropy(logits, labels, reduction="none")


@pytest.mark.parametrize("rho", [0.05, 1.0])
def test_the_gradient(rho):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))
    images, labels = torch.randn(6, 5), torch.tensor([0, 1, 2, 0, 1, 2])
    other = deepcopy(model)
    value = Sam(rho).tlf_training_step(model=model, images=images, labels=labels, loss=loss)
    value.backward()
    torch.testing.assert_close(value, plain(other, images, labels, rho))
    for own, theirs in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(own.grad, theirs.grad)


def test_frozen_weights_have_no_gradient_and_statistics_change_once():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    model[0].requires_grad_(False)
    images, labels = torch.randn(6, 5), torch.tensor([0, 1, 2, 0, 1, 2])
    expected = 0.9 * model[1].running_mean + 0.1 * model[0](images).mean(0)
    Sam().tlf_training_step(model=model, images=images, labels=labels, loss=loss).backward()
    torch.testing.assert_close(model[1].running_mean, expected)
    assert model[1].num_batches_tracked == 1
    assert model[0].weight.grad is None
    assert model[2].weight.grad.any()


def test_options_are_checked():
    with pytest.raises(ValueError, match="rho must be finite and above 0, got 0"):
        Sam(rho=0)
