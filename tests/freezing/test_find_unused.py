"""Parameters that no output depends on are found, and nothing is changed by looking."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from tlf.builtin.backbones import Timm
from tlf.errors import TrainingError
from tlf.freezing.find_unused import Unused, agreed_unused, find_unused
from tlf.freezing.freeze import digests, freeze
from tlf.heads.attention_pool import AttentionPool
from tlf.model import Classifier

IMAGE = (3, 32, 32)


class Leftover(nn.Module):
    """A backbone with a layer that it never calls, and one that it leaves out at random."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.never = nn.Linear(4, 4)
        self.sometimes = nn.Linear(4, 4)
        self.drop = nn.Dropout(0.5)
        self.frozen = nn.Linear(4, 4)

    def forward(self, images):
        features = self.drop(self.norm(self.conv(images))).mean((2, 3))
        return features if self.training else self.sometimes(features)


def leftover():
    module = Leftover()
    names = tuple(name for name, _ in module.named_parameters())
    classifier = Classifier(module, nn.Linear(4, 2), {"stem": names})
    freeze(classifier, {"backbone.frozen.weight", "backbone.frozen.bias"})
    return classifier


def test_what_no_output_depends_on_is_found():
    found = find_unused(leftover(), IMAGE, nullcontext)
    assert found.always == {"backbone.never.weight", "backbone.never.bias"}
    assert found.in_training == {"backbone.sometimes.weight", "backbone.sometimes.bias"}


def test_nothing_is_changed_by_looking():
    classifier = leftover()
    gradient = torch.ones_like(classifier.head.bias)
    classifier.head.bias.grad = gradient
    before, modes = digests(classifier), [module.training for module in classifier.modules()]
    buffers = {name: id(buffer) for name, buffer in classifier.named_buffers()}
    random = torch.get_rng_state()
    find_unused(classifier, IMAGE, nullcontext)
    assert digests(classifier) == before
    assert {name: id(buffer) for name, buffer in classifier.named_buffers()} == buffers
    assert [module.training for module in classifier.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    gradients = {name: p.grad for name, p in classifier.named_parameters() if p.grad is not None}
    assert gradients.keys() == {"head.bias"}
    assert gradients["head.bias"] is gradient
    assert torch.equal(gradient, torch.ones(2))


def test_an_ordinary_network_uses_everything():
    built = Timm(model="test_resnet", weights="none").build()
    classifier = Classifier(built.module, nn.Linear(built.num_features, 2), built.stages)
    freeze(classifier, classifier.stage("stem"))
    assert find_unused(classifier, IMAGE, nullcontext) == Unused()


def test_the_norm_behind_the_maps_that_a_pooling_head_takes():
    built = Timm(model="test_convnext", weights="none").build()
    head = AttentionPool(heads=2).build(built.num_features, 2)
    classifier = Classifier(built.module, head, built.stages)
    freeze(classifier, ())
    found = find_unused(classifier, IMAGE, nullcontext)
    assert found.always == {"backbone.head.norm.weight", "backbone.head.norm.bias"}
    assert not found.in_training


def test_a_model_whose_output_depends_on_nothing_that_trains_is_refused():
    classifier = leftover()
    names = {name for name, _ in classifier.named_parameters()}
    freeze(classifier, names - {"backbone.never.bias"})
    with pytest.raises(TrainingError, match=r"got backbone\.never\.bias; freeze less"):
        find_unused(classifier, IMAGE, nullcontext)


def test_processes_agree():
    one = Unused(frozenset({"a", "b"}), frozenset({"c"}))
    other = Unused(frozenset({"a"}))
    assert agreed_unused([one, other]) == Unused(frozenset({"a"}), frozenset({"b", "c"}))
    assert agreed_unused([one]) == one
