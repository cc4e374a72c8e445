"""Every image of the eval split is classified once, on one process or on several."""

import math
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from tlf.builtin.losses import CrossEntropy, Focal
from tlf.builtin.optimizers import Sgd
from tlf.data.transforms import normalize
from tlf.tasks.class_counts import ClassCounts
from tlf.training import evaluation
from tlf.training.evaluation import Predictions, classify, guessing_loss, losses_of
from tlf.training.features import eval_images
from tlf.training.segments.segment import SegmentSetup, begin_segment


class OneOfTwo:
    """One of two processes, with what the other one sends."""

    device, num_processes = torch.device("cpu"), 2

    def __init__(self, rank, other):
        self.process_index, self.other = rank, other

    def autocast(self):
        return nullcontext()

    def pad_across_processes(self, tensor, pad_index=0):
        """To the 11 rows that the larger process has."""
        padding = tensor.new_full((11 - len(tensor), *tensor.shape[1:]), pad_index)
        return torch.cat([tensor, padding])

    def gather(self, tensors):
        self.sent = tensors
        return tuple(torch.cat(pair) for pair in zip(tensors, self.other, strict=True))


NOTHING = torch.full((11,), -1), torch.zeros(11, 2)


@pytest.fixture(scope="module")
def segment(job):
    rates = dict.fromkeys(job.classifier.head_names, 0.1)
    setup = SegmentSetup(frozenset(job.classifier.backbone_names), rates, Sgd())
    yield begin_segment(job.accelerator, job.classifier, setup)
    job.accelerator.free_memory()


@pytest.fixture(scope="module")
def expected(job, segment):
    """The logits of every image, by a plain loop."""
    images = torch.stack([eval_images(job)[0, index][1] for index in range(11)])
    with torch.inference_mode():
        return job.classifier.eval()(normalize(images, job.preprocessing))


def of_two(job, rank, other):
    return replace(job, accelerator=OneOfTwo(rank, other))


def test_predictions_are_those_of_a_plain_loop_in_the_order_of_the_split(job, segment, expected):
    *steps, predictions = classify(job, segment, None)
    assert steps == [11]
    torch.testing.assert_close(predictions.logits, expected, atol=1e-5, rtol=1e-5)
    assert predictions.labels.tolist() == job.labels["eval"].tolist()
    assert not segment.classifier.training


def test_two_processes_gather_every_image_once(job, segment):
    *_, alone = classify(job, segment, None)
    first = of_two(job, 0, NOTHING)
    *steps, predictions = classify(first, segment, None)
    assert steps == [11]
    assert torch.equal(predictions.logits, alone.logits)
    # The second process has no batch. It yields as often, and joins in gathering.
    second = of_two(job, 1, first.accelerator.sent)
    *steps, predictions = classify(second, segment, None)
    assert steps == [11]
    assert torch.equal(predictions.logits, alone.logits)
    assert second.accelerator.sent[0].tolist() == [-1] * 11


def test_an_image_that_nobody_classified_is_noticed(job, segment):
    with pytest.raises(RuntimeError, match="0 predictions for 11 images"):
        list(classify(of_two(job, 1, NOTHING), segment, None))


def test_an_image_that_two_classified_is_noticed(job, segment):
    twice = torch.arange(11), torch.zeros(11, 2)
    with pytest.raises(RuntimeError, match="22 predictions for 11 images"):
        list(classify(of_two(job, 0, twice), segment, None))


def test_the_order_of_gathering_does_not_matter(job, segment):
    indices = torch.randperm(11, generator=torch.Generator().manual_seed(0))
    logits = torch.stack([indices, -indices], dim=1).float()
    *_, predictions = classify(of_two(job, 1, (indices, logits)), segment, None)
    assert isinstance(predictions, Predictions)
    assert predictions.logits[:, 0].tolist() == [float(index) for index in range(11)]


def test_the_guess_is_every_class_alike_or_as_frequent_as_in_the_train_split(job):
    assert guessing_loss(job) == pytest.approx(math.log(2), rel=1e-6)
    # Of 10 images to train on 9 are circles, as are 6 of the 11 to evaluate on.
    few = replace(job.splits.train, labels=[0] * 9 + [1])
    uneven = replace(job, splits=replace(job.splits, train=few))
    assert guessing_loss(uneven) == pytest.approx(math.log(2), rel=1e-6)
    mostly = replace(uneven, splits=replace(uneven.splits, eval=few))
    expected = -0.9 * math.log(0.9) - 0.1 * math.log(0.1)
    assert guessing_loss(mostly) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("loss", [CrossEntropy(), CrossEntropy(0.1, "balanced", 1.0), Focal()])
def test_losses_of_some_images_at_a_time_have_the_same_bits(job, loss, monkeypatch):
    """All at once, they would take as much memory again as all logits."""
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(203, 37, generator=generator), torch.arange(203) % 37
    built, given = loss.build(ClassCounts([4] * 37, 148)), []

    def counted(logits, labels):
        given.append(len(logits))
        return built(logits, labels)

    other = replace(job, loss=counted)
    whole = losses_of(other, logits, labels)
    monkeypatch.setattr(evaluation, "_LOGITS", 64 * 37)
    assert torch.equal(losses_of(other, logits, labels), whole)
    assert given == [203, 64, 64, 64, 11]
    assert torch.equal(
        losses_of(other, logits[:1], labels), built(logits[:1].expand(203, 37), labels)
    )


def test_one_process_copies_no_logits(job, segment, monkeypatch):
    made, empty = [], torch.empty

    def noted(*size, **options):
        made.append(empty(*size, **options))
        return made[-1]

    monkeypatch.setattr(torch, "empty", noted)
    *_, predictions = classify(job, segment, None)
    assert predictions.logits.data_ptr() in {each.data_ptr() for each in made}
