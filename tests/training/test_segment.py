"""Learning rates, parameter groups, and what the optimizer carries from one segment to the next."""

from dataclasses import replace

import pytest
import torch
from accelerate import Accelerator
from timm.optim import param_groups_layer_decay
from torch import nn

from tlf.builtin.backbones import Timm
from tlf.builtin.freeze_policies import Nothing
from tlf.builtin.optimizers import AdamW, Sgd
from tlf.builtin.schedulers import Constant
from tlf.model import Classifier
from tlf.recipe.schema import Phase
from tlf.training.phases import learning_rates
from tlf.training.segment import begin_segment, end_segment, parameter_groups

PHASE = Phase(name="p", freeze=(Nothing(),), epochs=1, lr=0.1, scheduler=Constant())


@pytest.fixture
def resnet():
    built = Timm(model="test_resnet", weights="none").build()
    return Classifier(built.module, nn.Linear(built.num_features, 2), built.stages)


def _of_stage(rates, model, stage):
    return {rates[name] for name in model.stages[stage]}


def test_one_rate_for_all(resnet):
    rates = learning_rates(resnet, PHASE, ())
    assert set(rates.values()) == {0.1}
    assert rates.keys() == {name for name, _ in resnet.named_parameters()}


def test_layer_decay_multiplies_from_the_top(resnet):
    rates = learning_rates(resnet, replace(PHASE, layer_decay=0.5), ())
    assert rates["head.weight"] == 0.1
    assert _of_stage(rates, resnet, "layer4") == {0.05}
    assert _of_stage(rates, resnet, "layer3") == {0.025}
    assert _of_stage(rates, resnet, "stem") == {0.1 * 0.5**5}


def test_a_table_of_rates(resnet):
    table = {"head": 1.0, "backbone": 0.1, "layer4": 0.5}
    rates = learning_rates(resnet, replace(PHASE, lr=table, layer_decay=0.5), ())
    assert rates["head.bias"] == 1.0
    assert _of_stage(rates, resnet, "layer4") == {0.5}
    assert _of_stage(rates, resnet, "layer3") == {0.025}


def test_a_table_that_leaves_parameters_without_a_rate(resnet):
    with pytest.raises(ValueError, match="trains but has no learning rate; add backbone = …"):
        learning_rates(resnet, replace(PHASE, lr={"head": 1.0}), ())
    assert learning_rates(resnet, replace(PHASE, lr={"head": 1.0}), resnet.backbone_names)


def test_a_table_that_names_no_stage(resnet):
    with pytest.raises(ValueError, match="no stage 'layer5'; did you mean 'layer"):
        learning_rates(resnet, replace(PHASE, lr={"head": 1.0, "backbone": 1.0, "layer5": 1.0}), ())


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "convnext_atto",
        "vit_tiny_patch16_224",
        "efficientnet_b0",
        "swin_tiny_patch4_window7_224",
    ],
)
def test_layer_decay_agrees_with_timm(name):
    """timm numbers the head and every group from the stem; the same scales must come out."""
    import timm

    own = Timm(model=name, weights="none").build()
    model = Classifier(own.module, nn.Linear(own.num_features, 5), own.stages)
    rates = learning_rates(model, replace(PHASE, lr=1.0, layer_decay=0.7), ())
    theirs = timm.create_model(name, num_classes=5)
    coarse = theirs.group_matcher
    theirs.group_matcher = lambda coarse=False, _=coarse: _(coarse=True)
    parameters = {id(p): n for n, p in theirs.named_parameters()}
    scales = {
        parameters[id(p)]: group["lr_scale"]
        for group in param_groups_layer_decay(theirs, weight_decay=0.0, layer_decay=0.7)
        for p in group["params"]
    }
    # timm counts a final norm to the head where the head module holds it; tlf to the last stage.
    heads = {name for name, scale in scales.items() if scale == 1.0}
    ours = {name.removeprefix("backbone.") for name in model.backbone_names}
    assert all("norm" in name for name in heads & ours)
    compared = {name: scale for name, scale in scales.items() if name not in heads}
    assert compared == pytest.approx({name: rates[f"backbone.{name}"] for name in compared})
    assert len(compared) > 0.9 * len(ours)


def test_groups_hold_every_learning_parameter_once(resnet):
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


@pytest.mark.parametrize("optimizer", [Sgd(momentum=0.9), AdamW()])
def test_optimizer_state_is_carried_over_by_name(resnet, optimizer):
    accelerator = Accelerator()
    first = _segment(accelerator, resnet, resnet.stage("stem"), optimizer)
    _step(accelerator, first)
    known = {
        id(p): {k: v.clone() for k, v in s.items() if isinstance(v, torch.Tensor)}
        for p, s in first.optimizer.state.items()
    }
    end_segment(accelerator, first)
    second = _segment(accelerator, resnet, (), optimizer, first)
    parameters = dict(resnet.named_parameters())
    for name, parameter in parameters.items():
        state = second.optimizer.state.get(parameter, {})
        if name in resnet.stage("stem"):
            assert not state
        else:
            assert all(torch.equal(state[k], v) for k, v in known[id(parameter)].items())
    _step(accelerator, second)
    assert end_segment(accelerator, second) == ()


def test_the_accelerator_does_not_keep_the_old_wrapper(resnet):
    accelerator = Accelerator()
    first = _segment(accelerator, resnet, resnet.stage("stem"), Sgd())
    _step(accelerator, first)
    end_segment(accelerator, first)
    second = _segment(accelerator, resnet, (), Sgd(), first)
    assert len(accelerator._models) == len(accelerator._optimizers) == 1
    _step(accelerator, second)
    end_segment(accelerator, second)


def _segment(accelerator, model, frozen, optimizer, previous=None):
    rates = learning_rates(model, PHASE, frozen)
    return begin_segment(accelerator, model, frozenset(frozen), rates, optimizer, previous)


def _step(accelerator, segment):
    accelerator.backward(segment.model(torch.randn(4, 3, 64, 64)).square().mean())
    segment.optimizer.step()
    segment.optimizer.zero_grad()
