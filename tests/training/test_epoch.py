"""The training half of an epoch: its updates, their learning rates, and resuming within it."""

from dataclasses import dataclass, replace

import pytest
import torch

from tlf.builtin.optimizers import Sgd
from tlf.catalogue import Catalogue, Offer, Plugin
from tlf.data.loading import order
from tlf.errors import PluginError
from tlf.events import Updated
from tlf.results import Progress
from tlf.training.epoch import train_epoch
from tlf.training.segments.segment import SegmentSetup, begin_segment
from tlf.training.state import State


@dataclass(frozen=True)
class Halving:
    """Half the rate at every update."""

    def factor(self, progress):
        return 0.5**progress.update


def train_once(job, *, update=0):
    """Train an epoch from an update on: its events, its result, and the rate of every step."""
    phase = replace(job.recipe.phases[0], scheduler=Halving())
    offer = Offer("tlf_schedulers", "test:halving", Halving, Plugin("test", "test", "1"))
    plugins = job.plan.plugins
    plugins = replace(plugins, catalogue=Catalogue((*plugins.catalogue.offers, offer)))
    job = replace(job, plan=replace(job.plan, plugins=plugins))
    rates = dict.fromkeys(job.classifier.head_names, 0.1) | {"head.bias": 0.2}
    setup = SegmentSetup(frozenset(job.classifier.backbone_names), rates, Sgd())
    segment = begin_segment(job.accelerator, job.classifier, setup)
    steps = []
    segment.optimizer.optimizer.register_step_pre_hook(
        lambda optimizer, *_: steps.append(
            {group["names"][0]: group["lr"] for group in optimizer.param_groups}
        )
    )
    losses = []

    def loss(logits, labels):
        values = job.loss(logits, labels)
        losses.extend(values.tolist())
        return values

    events = []
    state = State(update=update)
    generator = train_epoch(replace(job, loss=loss), phase, segment, Progress(0, 1), state)
    while True:
        try:
            events.append(next(generator))
        except StopIteration as end:
            job.accelerator.free_memory()
            return events, end.value, steps, losses, state


def test_every_update_has_its_own_rate_and_every_image_counts_once(job):
    job.classifier.eval()
    events, trained, steps, losses, state = train_once(job)
    assert [e.done for e in events if isinstance(e, Updated)] == [8, 16, 20]
    assert [e.progress.update for e in events] == [0, 1, 2]
    assert {e.progress.updates for e in events} == {3}
    assert steps == [
        {"head.weight": 0.1 * factor, "head.bias": 0.2 * factor} for factor in (1.0, 0.5, 0.25)
    ]
    assert trained.lr == 0.2 * 0.25
    assert (trained.updates, trained.images, state.update) == (3, 20, 3)
    assert len(losses) == 20
    assert trained.loss == pytest.approx(sum(losses) / 20, rel=1e-6)
    assert events[-1].loss == pytest.approx(trained.loss)
    assert {*trained.stages} == {*job.classifier.stages, "head"}
    rates = {stage: signals.lr for stage, signals in trained.stages.items()}
    assert rates == {**dict.fromkeys(job.classifier.stages, 0), "head": 0.2 * 0.25}
    assert [m for m in job.classifier.backbone.modules() if m.training] == []


def test_the_rest_of_an_epoch_is_trained_after_resuming(job):
    seen = []
    job.classifier.backbone.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    events, trained, steps, losses, _ = train_once(job, update=2)
    job.classifier.backbone._forward_pre_hooks.clear()
    assert [e.progress.update for e in events if isinstance(e, Updated)] == [2]
    assert seen == [len(order(job.recipe.seed, 0, 20)[16:])] == [4]
    assert [step["head.weight"] for step in steps] == [0.1 * 0.25]
    assert (trained.updates, trained.images, len(losses)) == (3, 4, 4)


@pytest.mark.parametrize("factor", [-1.0, float("nan"), float("inf"), None, "0.5"])
def test_a_factor_that_is_none_is_refused(job, monkeypatch, factor):
    monkeypatch.setattr(Halving, "factor", lambda self, progress: factor)
    expected = r"'test:halving' \(test 1\): factor must return a finite number, 0 or more, got"
    with pytest.raises(PluginError, match=expected):
        train_once(job)
    job.accelerator.free_memory()


def test_a_rate_of_zero_changes_nothing(job):
    class Never(Halving):
        def factor(self, progress):
            return 0.0

    before = {name: tensor.clone() for name, tensor in job.classifier.state_dict().items()}
    original, Halving.factor = Halving.factor, Never.factor
    try:
        train_once(job)
    finally:
        Halving.factor = original
    assert all(torch.equal(before[n], t) for n, t in job.classifier.state_dict().items())
