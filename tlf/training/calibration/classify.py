"""Logits of the images that a model is calibrated on."""

from collections.abc import Generator, Sequence

import torch
from torch import Tensor

from tlf.data.loading import EVAL_BATCH, Batch, make_batches
from tlf.data.transforms import normalize
from tlf.training.embeddings import plain_train_images
from tlf.training.features import Events, activations, model_inputs, plain_batches
from tlf.training.job import Job
from tlf.training.segments.segment import Segment


@torch.inference_mode()
def train_logits(
    job: Job, indices: Sequence[int], segment: Segment | None = None
) -> Generator[Events, None, Tensor]:
    """Logits of train images (N, K) float32 on the CPU, without augmentation. Every process
    classifies all of them.

    Parameters:
        job: the job, with its loaders open.
        indices: of the images.
        segment: one that has trained the head alone; what it stores of these images is used.
    """
    images, classifier = plain_train_images(job), job.classifier.eval()
    stored = None
    if segment is not None and ("train", None) in segment.stored:
        title = f"{len(images.labels):,} train images"
        stored = yield from activations(job, segment, "train", images, 0, title)
    partition = None if segment is None else segment.partition
    rows: list[Tensor] = []
    for batch in plain_batches(job, images, make_batches(indices, EVAL_BATCH), stored):
        inputs = _inputs(job, segment, batch)
        with job.accelerator.autocast():
            logits = (
                classifier(inputs) if partition is None else partition.behind(classifier, inputs)
            )
        rows.append(logits.float().cpu())
    return torch.cat(rows)


def _inputs(job: Job, segment: Segment | None, batch: Batch) -> Tensor:
    if segment is not None:
        return model_inputs(job, segment, batch)
    images = normalize(batch.inputs, job.preprocessing)
    return images.contiguous(memory_format=torch.channels_last)
