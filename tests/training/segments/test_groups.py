from dataclasses import replace

import pytest
from torch import nn

from tlf.builtin.backbones import Timm
from tlf.builtin.freeze_policies import Nothing
from tlf.builtin.optimizers import Sgd
from tlf.builtin.schedulers import Constant
from tlf.model import Classifier
from tlf.recipe.schema import Phase
from tlf.training.phases import learning_rates
from tlf.training.segments.groups import parameter_groups

PHASE = Phase(name="p", freeze=(Nothing(),), epochs=1, lr=0.1, scheduler=Constant())


@pytest.fixture
def resnet():
    built = Timm(model="test_resnet", weights="none").build()
    return Classifier(built.module, nn.Linear(built.num_features, 2), built.stages)


def test_groups_hold_every_trainable_parameter_once(resnet):
    rates = learning_rates(resnet, replace(PHASE, layer_decay=0.5), resnet.stage("layer1"))
    groups = parameter_groups(resnet, rates, Sgd(weight_decay=0.1))
    held = [name for group in groups for name in group["names"]]
    assert sorted(held) == sorted(rates)
    by_name = dict(resnet.named_parameters())
    for group in groups:
        assert all(p is by_name[n] for n, p in zip(group["names"], group["params"], strict=True))
        assert {rates[n] for n in group["names"]} == {group["lr"]} == {group["base_lr"]}


def test_norms_and_biases_do_not_decay_unless_asked(resnet):
    rates = learning_rates(resnet, PHASE, ())
    spared = {
        name
        for group in parameter_groups(resnet, rates, Sgd(weight_decay=0.1))
        if group.get("weight_decay") == 0.0
        for name in group["names"]
    }
    assert spared == {n for n, p in resnet.named_parameters() if p.ndim == 1}
    everything = parameter_groups(resnet, rates, Sgd(weight_decay=0.1, decay="all"))
    assert all("weight_decay" not in group for group in everything)
