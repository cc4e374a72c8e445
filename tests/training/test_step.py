"""Batches are dealt to processes and pieces, and one step is made of them."""

from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

from tlf.builtin import augmentations
from tlf.builtin.augmentations import Cutmix, Mixup
from tlf.builtin.optimizers import Sgd
from tlf.data.transforms import normalize
from tlf.hookspecs import hookimpl
from tlf.training.features import train_images
from tlf.training.segments.segment import SegmentSetup, begin_segment
from tlf.training.signals import Signals
from tlf.training.step import Updates, pieces_of

BATCHES = [[3, 1, 4, 15, 9], [2], [6, 5]]


def draws(batches):
    """Each image as the first draw of it."""
    return [[(0, index) for index in batch] for batch in batches]


def pieces(job, rank, processes, batches=BATCHES, *, together=True):
    accelerator = SimpleNamespace(
        process_index=rank, num_processes=processes, device=torch.device("cpu")
    )
    several = replace(job, accelerator=accelerator)
    phase = job.recipe.phases[0]
    return list(pieces_of(several, phase, draws(batches), 0, None, together=together))


@pytest.mark.parametrize(("processes", "accumulate"), [(1, 1), (1, 3), (2, 1), (3, 2)])
def test_every_image_of_a_batch_counts_once(job, changed, processes, accumulate):
    job = changed(job, accumulate=accumulate)
    counted = []
    for rank in range(processes):
        for piece, share in pieces(job, rank, processes):
            assert piece.indices.tolist() == [index for _, index in share.images]
            counted += piece.indices[: share.count].tolist()
    assert sorted(counted) == sorted(index for batch in BATCHES for index in batch)


def test_an_empty_share_holds_one_image_that_does_not_count(job):
    ((one, real),), ((other, empty),) = (pieces(job, n, 2, [[7]]) for n in (0, 1))
    assert one.indices.tolist() == other.indices.tolist() == [7]
    assert [real.count, empty.count] == [1, 0]
    assert torch.equal(one.inputs, other.inputs)


def test_a_process_skips_a_piece_that_it_has_no_image_of_and_nobody_waits_for(job, changed):
    job = changed(job, accumulate=2)
    batch = [[0, 1, 2, 3]]
    assert [share.count for _, share in pieces(job, 0, 2, batch, together=False)] == [2, 2]
    assert [share.count for _, share in pieces(job, 1, 2, batch, together=False)] == [0]
    assert [share.count for _, share in pieces(job, 1, 2, batch)] == [0, 0]


def test_labels_belong_to_their_images(job):
    for piece, _ in pieces(job, 0, 1):
        assert torch.equal(piece.labels, job.labels["train"][piece.indices])


def head_segment(job):
    """A segment in which only the head trains, by plain gradient descent."""
    head = job.classifier.head_names
    frozen = frozenset(job.classifier.backbone_names)
    setup = SegmentSetup(frozen, dict.fromkeys(head, 0.5), Sgd(momentum=0.0))
    return begin_segment(job.accelerator, job.classifier, setup)


def step(job, batch, signals=None):
    """Make one step; give what was made, and how the head was and is."""
    torch.manual_seed(0)
    job.classifier.head.reset_parameters()  # as no test before has trained it
    segment, phase = head_segment(job), job.recipe.phases[0]
    for group in segment.optimizer.param_groups:
        group["lr"] = group["base_lr"]
    before = deepcopy(job.classifier.head)
    updates = Updates(
        job, phase, segment, 0, pieces_of(job, phase, draws([batch]), 0, None, together=False)
    )
    made = updates.make(0, len(batch), signals)
    if signals is not None:
        signals.take(norm.item() for norm in signals.pending())
    job.accelerator.free_memory()
    return made, before, deepcopy(job.classifier.head)


def plain(job, head, batch):
    """By hand: the summed loss of a batch, the gradients of its mean, and what is correct."""
    images = torch.stack([train_images(job, job.recipe.phases[0])[0, i][1] for i in batch])
    with torch.no_grad():
        features = job.classifier.backbone.eval()(normalize(images, job.preprocessing))
    logits, labels = head(features), job.labels["train"][batch]
    losses = functional.cross_entropy(logits, labels, reduction="none")
    gradients = torch.autograd.grad(losses.mean(), [*head.parameters()])
    return losses.sum().item(), gradients, int((logits.argmax(1) == labels).sum())


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_step_is_that_of_the_whole_batch_by_hand(job, changed, accumulate):
    batch = [0, 12, 5, 7, 19]
    signals = Signals()
    made, before, after = step(changed(job, accumulate=accumulate), batch, signals)
    expected, gradients, correct = plain(job, before, batch)
    assert torch.cat(made.correct).tolist().count(True) == correct
    assert sum(map(len, made.correct)) == len(batch)
    assert made.loss.item() == pytest.approx(expected, rel=1e-5)
    pieces = min(accumulate, 2)  # no piece holds one image
    assert (made.images, made.skipped, len(made.logits)) == (5, False, 2 * pieces)
    for was, now, gradient in zip(before.parameters(), after.parameters(), gradients, strict=True):
        torch.testing.assert_close(now, was - 0.5 * gradient)
    assert signals.count == 1
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    assert signals.means()["head"].grad_norm == pytest.approx(float(norm), rel=1e-4)


def test_an_accumulation_of_accelerates_own_changes_no_step(job):
    """``ACCELERATE_GRADIENT_ACCUMULATION_STEPS=4`` says it; tlf refuses it before."""
    _, _, expected = step(job, [0, 12, 5])
    job.accelerator.gradient_accumulation_steps = 4
    try:
        _, before, after = step(job, [0, 12, 5])
    finally:
        job.accelerator.gradient_accumulation_steps = 1
    for was, now, one in zip(
        before.parameters(), after.parameters(), expected.parameters(), strict=True
    ):
        assert torch.equal(now - was, one - was)


def test_clipping_limits_the_norm_of_all_gradients_together(job, changed):
    batch = [0, 12, 5]
    _, before, after = step(changed(job, clip_grad_norm=1e-3), batch)
    moves = [
        (now - was).detach().flatten()
        for was, now in zip(before.parameters(), after.parameters(), strict=True)
    ]
    assert float(torch.cat(moves).norm()) == pytest.approx(0.5 * 1e-3, rel=1e-3)


def mixed(job, *augment):
    """Make a step on a batch that is mixed."""
    phase = replace(job.recipe.phases[0], augment=augment)
    several = pieces_of(job, phase, draws([[0, 12, 5, 7]]), 0, None, together=False)
    segment = head_segment(job)
    made = Updates(job, phase, segment, 0, several).make(0, 4, None)
    job.accelerator.free_memory()
    return made


def test_each_of_two_that_mix_draws_on_its_own_and_all_pieces_alike(job, changed, monkeypatch):
    drawn, draw = [], augmentations._draw_lam
    monkeypatch.setattr(augmentations, "_draw_lam", lambda a: drawn.append(draw(a)) or drawn[-1])
    for given in ((Mixup(1.0),), (Mixup(1.0), Cutmix(1.0))):
        mixed(changed(job, accumulate=2), *given)
    alone, mixup, cutmix = drawn[0], drawn[2], drawn[3]
    assert drawn == [alone, alone, mixup, cutmix, mixup, cutmix]
    assert mixup == alone
    assert abs(mixup - cutmix) > 0.01


def test_what_is_correct_is_unknown_where_labels_are_mixed(job):
    made = mixed(job, Mixup())
    assert (len(made.logits), made.correct) == (2, ())


def test_what_is_correct_is_unknown_where_a_plugin_makes_the_step(job):
    class Own:
        @hookimpl
        def tlf_training_step(self, model, images, labels, loss):
            return loss(model(images), labels).mean()

    job.plan.plugins.manager.register(own := Own())
    try:
        made, *_ = step(job, [0, 12, 5])
    finally:
        job.plan.plugins.manager.unregister(own)
    assert (made.logits, made.correct) == ((), ())
