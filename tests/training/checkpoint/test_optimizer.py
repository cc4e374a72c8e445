"""The state of an optimizer by parameter name."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from tlf.training.checkpoint.optimizer import laid_out, optimizer_contents, restore_optimizer

GROUPS = [["2.weight", "0.bias"], ["0.weight", "2.bias"]]


def build(model, cls, **options):
    """An optimizer whose groups have another order than the model's parameters."""
    named = dict(model.named_parameters())
    groups = [{"params": [named[name] for name in names], "names": names} for names in GROUPS]
    return cls(groups, lr=0.01, **options)


def step(model, optimizer, seed):
    torch.manual_seed(seed)
    model(torch.randn(4, 3)).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


@pytest.mark.parametrize(
    ("cls", "options"), [(torch.optim.SGD, {"momentum": 0.9}), (torch.optim.AdamW, {})]
)
def test_a_restored_optimizer_makes_the_same_steps(cls, options):
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    optimizer = build(model, cls, **options)
    for seed in range(3):
        step(model, optimizer, seed)
    other = deepcopy(model)
    contents = deepcopy(optimizer_contents(optimizer))
    assert {*contents["state"]} == {name for name, _ in model.named_parameters()}
    restored = build(other, cls, **options)
    restore_optimizer(restored, contents, dict(other.named_parameters()))
    for seed in range(3, 6):
        step(model, optimizer, seed)
        step(other, restored, seed)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)


def test_the_memory_layout_is_that_of_the_parameter():
    like = torch.zeros(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    stored = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    found = laid_out(stored, like)
    assert found.stride() == like.stride() != stored.stride()
    assert torch.equal(found, stored)
    assert found.dtype == torch.float64


def test_other_values_stay_as_they_are():
    count = torch.tensor(3.0)
    assert laid_out(count, torch.zeros(2, 3)) is count
    assert laid_out(0.5, torch.zeros(2, 3)) == 0.5
