"""The training half of an epoch: its updates, their learning rates, and resuming within it."""

from collections import Counter
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
import torch

from tlf.builtin.augmentations import CropFlip
from tlf.builtin.optimizers import Sgd
from tlf.catalogue import Catalogue, Offer, Plugin
from tlf.data.loading import order
from tlf.errors import PluginError
from tlf.events import Updated
from tlf.results import Progress
from tlf.training.epoch import epoch_batches, train_epoch
from tlf.training.segments.segment import SegmentSetup, begin_segment
from tlf.training.state import State
from tlf.training.step import pieces_of


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


def drawn(job, epoch=0, without=(), seed=None):
    """The batches of an epoch of the first phase, in which no BatchNorm trains."""
    segment = SimpleNamespace(classifier=job.classifier.eval())
    return [*epoch_batches(job, job.recipe.phases[0], segment, epoch, without, seed)]


def test_an_epoch_shuffles_all_images_but_those_that_are_left_out(job):
    kept = [index for index in order(5, 2, 20) if index not in {3, 7, 19}]
    assert drawn(job, 2, {3, 7, 19}, 5) == [
        [(2, index) for index in kept[start : start + 8]] for start in (0, 8, 16)
    ]
    assert drawn(job, 1) == drawn(job, 1, seed=job.recipe.seed)


def test_a_last_image_alone_joins_the_batch_before_it_where_batchnorm_trains(job):
    segment = SimpleNamespace(classifier=job.classifier.train())
    batches = epoch_batches(job, job.recipe.phases[0], segment, 0, {3, 7, 19})
    job.classifier.eval()
    assert [len(batch) for batch in batches] == [8, 9]


def test_balanced_batches_have_as_many_images_of_which_classes_are_equally_many(job, changed):
    rare = {index for index in range(20) if job.splits.train.labels[index] == 0} - {4}
    balanced = changed(job, sampler="balanced")
    found = [[draw for batch in drawn(balanced, e, rare) for draw in batch] for e in (0, 1)]
    assert [len(batch) for batch in drawn(balanced, 0, rare)] == [8, 3]
    labels = [Counter(job.splits.train.labels[i] for _, i in draws) for draws in found]
    assert [sorted(counts.values()) for counts in labels] == [[5, 6]] * 2
    assert not {index for draws in found for _, index in draws} & rare
    assert len({draw for draws in found for draw in draws}) == 22, "no draw is made again"


def test_a_phase_has_a_sampler_of_its_own(job, changed):
    one, two = job.recipe.phases
    balanced = drawn(changed(job, sampler="balanced"))
    assert drawn(changed(job, phases=(replace(one, sampler="balanced"), two))) == balanced
    plain = changed(job, sampler="balanced", phases=(replace(one, sampler="shuffled"), two))
    assert drawn(plain) == drawn(job) != balanced


def test_each_draw_of_an_image_is_augmented_in_its_own_way(job):
    phase = replace(job.recipe.phases[0], augment=(CropFlip(),))
    draws = [[(0, 4), (1, 4), (0, 4)]]
    ((piece, _),) = pieces_of(job, phase, draws, None, None, together=False)
    assert piece.indices.tolist() == [4, 4, 4]
    assert torch.equal(piece.inputs[0], piece.inputs[2])
    assert not torch.equal(piece.inputs[0], piece.inputs[1])
    ((alike, _),) = pieces_of(job, phase, draws, 0, None, together=False)
    assert torch.equal(alike.inputs, piece.inputs[:1].expand_as(alike.inputs))
