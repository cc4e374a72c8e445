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
    labels = batch.labels.to(logits.device)
    correct = job.task.correct(logits, labels) & logits.isfinite().all(1)
    probabilities = job.task.probabilities(logits).cpu()
    return Measured(
        float(job.losses(logits, labels).mean()),
        int(correct.sum()),
        tuple(
            most_probable(row, label)
            for row, label in zip(probabilities, labels.tolist(), strict=True)
        ),
    )


def most_probable(row: Tensor, label: int) -> tuple[tuple[int, float], ...]:
    """The most probable classes and the labelled one, with their probabilities (K,).

    >>> most_probable(torch.tensor([0.25, 0.75]), 0)
    ((1, 0.75), (0, 0.25))
    """
    if not row.isfinite().all():
        return ()
    chosen = {*row.topk(min(SHOWN, len(row))).indices.tolist(), label}
    pairs = [(index, float(row[index])) for index in chosen]
    return tuple(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))
