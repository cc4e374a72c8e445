"""The images of the page as batches, each loaded once, and what a network makes of them."""

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from tlf.data.loading import Batch, Images
from tlf.simulator.records import Measured
from tlf.training.embeddings import plain_train_images
from tlf.training.features import eval_images, model_inputs, plain_batches
from tlf.training.job import Job
from tlf.training.segments.segment import Segment

SHOWN = 5
"""Classes of an image whose probabilities are recorded."""


class Batches:
    """The images of the page."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._train: dict[int, Batch] = {}

    def train(self, size: int) -> Batch:
        """The first images of the train split."""
        if size not in self._train:
            self._train[size] = self._loaded(plain_train_images(self._job), range(size))
        return self._train[size]

    @cached_property
    def eval(self) -> Batch:
        """All images of the eval split."""
        return self._loaded(eval_images(self._job), range(len(self._job.splits.eval)))

    def _loaded(self, images: Images, indices: Sequence[int]) -> Batch:
        (batch,) = plain_batches(self._job, images, [indices], None)
        return batch


def measured(job: Job, segment: Segment, batch: Batch) -> Measured:
    """What the network says of a batch in eval mode. Its modules stay in this mode."""
    segment.classifier.eval()
    with torch.no_grad(), job.accelerator.autocast():
        logits = segment.classifier(model_inputs(job, segment, batch)).float()
    loss = float(job.losses(logits, batch.labels.to(logits.device)).mean())
    probabilities = job.task.probabilities(logits).cpu()
    given = classes_of(job, job.task.predicted(probabilities))
    labels = classes_of(job, batch.labels.cpu())
    finite = probabilities.isfinite().all(1).tolist()
    right = [known and one == own for known, one, own in zip(finite, given, labels, strict=True)]
    rows = tuple(most_probable(row, own) for row, own in zip(probabilities, labels, strict=True))
    return Measured(loss, sum(right), rows, given)


def classes_of(job: Job, labels: Tensor) -> tuple[tuple[int, ...], ...]:
    """The classes of each image, ascending. ``labels``: as the task has them (N, …)."""
    marks = job.task.targets(labels, len(job.splits.classes))
    return tuple(tuple(row.nonzero()[:, 0].tolist()) for row in marks)


def most_probable(row: Tensor, labels: Sequence[int]) -> tuple[tuple[int, float], ...]:
    """The most probable classes and the labelled ones, with their probabilities (K,).

    >>> most_probable(torch.tensor([0.25, 0.75]), (0,))
    ((1, 0.75), (0, 0.25))
    """
    if not row.isfinite().all():
        return ()
    chosen = {*row.topk(min(SHOWN, len(row))).indices.tolist(), *labels}
    pairs = [(index, float(row[index])) for index in chosen]
    return tuple(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))
