"""Parameter groups, and the optimizer state that a segment takes over from the one before."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from tlf.builtin.backbones import Timm
from tlf.builtin.freeze_policies import Nothing
from tlf.builtin.optimizers import AdamW, Sgd
from tlf.builtin.schedulers import Constant
from tlf.errors import TrainingError
from tlf.events import Audit
from tlf.freezing.freeze import digests
from tlf.heads.attention_pool import AttentionPool
from tlf.model import Classifier
from tlf.recipe.schema import Phase
from tlf.training.phases import learning_rates
from tlf.training.segments.segment import (
    SegmentSetup,
    begin_segment,
    check_same_end,
    check_same_start,
    end_segment,
)

PHASE = Phase(name="p", freeze=(Nothing(),), epochs=1, lr=0.1, scheduler=Constant())


@pytest.fixture
def resnet():
    built = Timm(model="test_resnet", weights="none").build()
    return Classifier(built.module, nn.Linear(built.num_features, 2), built.stages)


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
    count = len(list(resnet.named_parameters()))
    assert end_segment(accelerator, second) == Audit(frozen=0, trained=count)


def test_the_accelerator_does_not_keep_the_old_wrapper(resnet):
    accelerator = Accelerator()
    first = _segment(accelerator, resnet, resnet.stage("stem"), Sgd())
    _step(accelerator, first)
    end_segment(accelerator, first)
    second = _segment(accelerator, resnet, (), Sgd(), first)
    assert len(accelerator._models) == len(accelerator._optimizers) == 1
    _step(accelerator, second)
    end_segment(accelerator, second)


def test_what_no_output_depends_on_is_frozen_for_the_segment():
    built = Timm(model="test_convnext", weights="none").build()
    head = AttentionPool(heads=2).build(built.num_features, 2)
    model, accelerator = Classifier(built.module, head, built.stages), Accelerator()
    before = digests(model)
    rates = learning_rates(model, PHASE, model.stage("stem"))
    setup = SegmentSetup(frozenset(model.stage("stem")), rates, Sgd(), probed=(3, 32, 32))
    segment = begin_segment(accelerator, model, setup)
    unused = {"backbone.head.norm.weight", "backbone.head.norm.bias"}
    assert segment.unused == unused
    assert segment.named == setup.frozen
    assert segment.frozen == setup.frozen | unused
    assert segment.rates.keys() == rates.keys() - unused
    assert digests(model) == before
    assert not any(p.requires_grad for n, p in model.named_parameters() if n in unused)
    held = {name for group in segment.optimizer.param_groups for name in group["names"]}
    assert held == segment.rates.keys()
    accelerator.free_memory()


def _segment(accelerator, model, frozen, optimizer, previous=None):
    setup = SegmentSetup(frozenset(frozen), learning_rates(model, PHASE, frozen), optimizer)
    return begin_segment(accelerator, model, setup, previous)


def _step(accelerator, segment):
    accelerator.backward(segment.model(torch.randn(4, 3, 64, 64)).square().mean())
    segment.optimizer.step()
    segment.optimizer.zero_grad()


@pytest.fixture
def beside(monkeypatch, resnet):
    """A process that holds another value of one parameter."""
    own = digests(resnet)
    names = [name for name, _ in resnet.named_parameters()]

    def other(_):
        mine = [own[name] for name in names]
        return [mine, [*mine[:2], "0" * 64, *mine[3:]]]

    monkeypatch.setattr("tlf.training.segments.segment.gathered", other)
    return own, names[2]


def test_parameters_that_differ_before_training_are_not_blamed_on_gradients(resnet, beside):
    own, name = beside
    with pytest.raises(TrainingError) as raised:
        check_same_start(resnet, own)
    assert str(raised.value).startswith(f"{name} must be the same in all processes before it is")
    assert "gradients" not in str(raised.value)


def test_parameters_that_differ_after_training_are(resnet, beside):
    own, name = beside
    with pytest.raises(TrainingError) as raised:
        check_same_end(resnet, own)
    assert str(raised.value).startswith(f"{name} must be trained alike in all processes, and diff")
    assert "its gradients were not averaged" in str(raised.value)


@dataclass(frozen=True)
class Odd:
    """An optimizer that builds something else."""

    make: Callable[[list], object]

    def build(self, groups):
        return self.make(groups)


def anew(groups):
    """Groups of one's own, without what tlf wrote into them."""
    return torch.optim.SGD([{"params": group["params"]} for group in groups], lr=0.1)


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda groups: None, "build must return a torch.optim.Optimizer, got NoneType"),
        (lambda groups: torch.optim.SGD(groups[:1]), "build must pass its groups on as they are"),
        (anew, "build must pass its groups on as they are"),
    ],
    ids=["nothing", "fewer", "other"],
)
def test_an_optimizer_of_other_groups_is_refused(resnet, make, fault):
    accelerator = Accelerator()
    with pytest.raises(ValueError, match=fault):
        _segment(accelerator, resnet, resnet.stage("stem"), Odd(make))


def test_what_changes_is_watched_and_counters_are_not(resnet):
    """Weights that train, and statistics of norms that train."""
    accelerator = Accelerator()
    segment = _segment(accelerator, resnet, resnet.stage("stem"), Sgd())
    accelerator.free_memory()
    watched = set(segment.changing)
    assert set(segment.rates) < watched
    assert "backbone.layer1.0.bn1.running_var" in watched
    assert "backbone.bn1.running_var" not in watched
    assert not any("num_batches_tracked" in name for name in watched)
