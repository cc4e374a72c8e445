"""fp16: an update whose gradients overflow is skipped, and counts for nothing."""

from dataclasses import replace

import pytest
import torch
from accelerate.optimizer import AcceleratedOptimizer

from tlf.builtin.optimizers import Sgd
from tlf.events import Updated
from tlf.results import Progress
from tlf.training.ema import Ema
from tlf.training.epoch import train_epoch
from tlf.training.segments.segment import SegmentSetup, begin_segment
from tlf.training.state import State


class Recording:
    """A schedule that records what it is asked about."""

    def __init__(self):
        self.updates = []

    def factor(self, progress):
        self.updates.append(progress.update)
        return 1.0


@pytest.fixture
def scaled(job):
    """A segment of the head, whose gradients are scaled as on a GPU in fp16."""
    job.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8)
    rates = dict.fromkeys(job.classifier.head_names, 0.1)
    setup = SegmentSetup(frozenset(job.classifier.backbone_names), rates, Sgd())
    segment = begin_segment(job.accelerator, job.classifier, setup)
    wrapped = AcceleratedOptimizer(
        segment.optimizer.optimizer, device_placement=False, scaler=job.accelerator.scaler
    )
    yield replace(segment, optimizer=wrapped)
    job.accelerator.free_memory()
    job.accelerator.scaler = None


def overflowing(job, updates):
    """The job with a loss whose gradient overflows in some updates, in which it is finite."""
    made = iter(range(100))

    class Overflow(torch.autograd.Function):
        @staticmethod
        def forward(ctx, values):
            return values.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient * float("inf")

    def loss(logits, labels):
        values = job.loss(logits, labels)
        return Overflow.apply(values) if next(made) in updates else values

    return replace(job, loss=loss)


def train(job, segment, state):
    events = train_epoch(job, job.recipe.phases[0], segment, Progress(0, 1), state)
    return [event for event in events if isinstance(event, Updated)]


def test_a_skipped_update_counts_for_nothing(job, scaled, monkeypatch):
    schedule, state = Recording(), State(ema=Ema(0.5, warmup=False))
    state.ema.follow(job.classifier, job.classifier.head_names)
    monkeypatch.setattr(
        "tlf.training.epoch.rate_factor", lambda plan, phase, now: schedule.factor(now)
    )
    steps = []
    scaled.optimizer.optimizer.register_step_post_hook(lambda *_: steps.append(len(steps)))
    events = train(overflowing(job, {0, 1}), scaled, state)
    assert [event.progress.update for event in events] == [0, 1, 2]
    assert len(steps) == 1
    assert (state.update, state.skipped, state.ema.updates) == (3, 2, 1)
    assert schedule.updates[:3] == [0, 0, 0]
    # The update that was made is measured; a skipped one would have an infinite norm.
    assert state.signals.count == 1
    assert 0 < state.signals.means()["head"].grad_norm < 1e6
    assert state.signals.means()["head"].update_ratio > 0
    assert job.accelerator.scaler.get_scale() == 2.0**6
    assert state.losses.done == 20


def test_an_epoch_without_a_step_has_no_signals(job, scaled):
    state = State()
    before = {name: tensor.clone() for name, tensor in job.classifier.state_dict().items()}
    train(overflowing(job, {0, 1, 2}), scaled, state)
    assert (state.update, state.skipped, state.signals.means()) == (3, 3, {})
    assert all(torch.equal(before[n], t) for n, t in job.classifier.state_dict().items())
