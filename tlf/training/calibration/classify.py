"""Logits of the images that a model is calibrated on."""

from collections.abc import Generator

import torch
from torch import Tensor

from tlf.data.loading import EVAL_BATCH, make_batches
from tlf.data.transfer import on_device
from tlf.data.transforms import normalize
from tlf.events import Prepared
from tlf.training.embeddings import plain_train_images
from tlf.training.evaluation import Predictions
from tlf.training.job import Job


def calibration_predictions(
    job: Job, best: Predictions
) -> Generator[Prepared, None, tuple[str, Predictions]]:
    """What the model gives for the images that calibrate it, and where they come from: ``eval`` or
    ``calibration``. Every process has to call this, while the model has its best weights.

    Parameters:
        job: the job, with its loaders open.
        best: what the model gives for the eval split.
    """
    if not job.held_out:
        return "eval", best
    indices = sorted(job.held_out)
    logits = yield from _logits(job, indices)
    return "calibration", Predictions(logits, job.labels["train"][indices])


@torch.inference_mode()
def _logits(job: Job, indices: list[int]) -> Generator[Prepared, None, Tensor]:
    """Logits of train images (N, K) float32 on the CPU. Every process classifies all of them."""
    device, classifier, done = job.accelerator.device, job.classifier.eval(), 0
    rows: list[Tensor] = []
    batches = [[(0, index) for index in batch] for batch in make_batches(indices, EVAL_BATCH)]
    for batch in on_device(job.loaders.batches(plain_train_images(job), batches), device):
        images = normalize(batch.inputs, job.preprocessing)
        with job.accelerator.autocast():
            logits = classifier(images.contiguous(memory_format=torch.channels_last))
        rows.append(logits.float().cpu())
        done += len(logits)
        yield Prepared("logits of the images that calibrate", done, len(indices))
    return torch.cat(rows)
