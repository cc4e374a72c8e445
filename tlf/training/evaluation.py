"""Evaluate the eval split: every image counts exactly once, on any number of processes."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor

from tlf.data.loading import make_batches
from tlf.runtime.devices import on_threads
from tlf.training.features import Activations, eval_images, model_inputs, plain_batches
from tlf.training.job import Job, eval_batch
from tlf.training.segments.segment import Segment

_LOGITS = 2**23
"""So many logits are given to the loss at a time, at most: it takes as much memory again."""


@dataclass(frozen=True)
class Predictions:
    """The logits of a model for a whole split, in the order of the split."""

    logits: Tensor
    """(N, K) float32 on the CPU."""
    labels: Tensor
    """(N, …), as the task has them."""


@torch.inference_mode()
def classify(job: Job, segment: Segment, stored: Activations | None) -> Iterator[int | Predictions]:
    """Yield the number of finished images after each batch, and at the end the predictions.

    Parameters:
        job: the job, whose eval split is classified.
        segment: the model.
        stored: the output of the frozen stages, where it is stored.
    """
    accelerator, classifier, partition = job.accelerator, segment.classifier, segment.partition
    classifier.eval()
    count, device = len(job.splits.eval), accelerator.device
    rank, processes = accelerator.process_index, accelerator.num_processes
    # Processes take whole batches in turn. So an image is always in a batch with the same other
    # images, and its logits have the same bits on any number of processes.
    batches = make_batches(range(count), eval_batch(job))
    own_batches = batches[rank::processes]
    # A process without a batch still takes part in gathering, with tensors of no rows.
    own = sum(map(len, own_batches))
    indices = torch.empty(own, dtype=torch.long, device=device)
    every = torch.empty(own, len(job.splits.classes), device=device)
    done = 0
    for batch in plain_batches(job, eval_images(job), own_batches, stored):
        inputs = model_inputs(job, segment, batch)
        with accelerator.autocast(), on_threads(segment.threads):
            logits = (
                classifier(inputs) if partition is None else partition.behind(classifier, inputs)
            )
        indices[done : done + len(logits)] = batch.indices.to(device)
        every[done : done + len(logits)] = logits
        done += len(logits)
        yield min(count, done * processes)
    if len(own_batches) * processes < len(batches):
        # Other processes have one batch more. All processes agree after every yield whether to
        # stop, so all have to yield equally often.
        yield count
    yield _gathered(accelerator, indices, every, job.labels["eval"])


def _gathered(
    accelerator: Accelerator, indices: Tensor, logits: Tensor, labels: Tensor
) -> Predictions:
    """Gather the logits from all processes; put those of each image at its index.

    Raises:
        RuntimeError: an image is missing.
    """
    count = len(labels)
    # Gathering needs equal shapes, and a process may have fewer rows than others. Shorter ones are
    # padded; the padding is recognised by its index -1 and dropped.
    indices = accelerator.pad_across_processes(indices, pad_index=-1)
    gathered = accelerator.gather((indices, accelerator.pad_across_processes(logits)))
    indices, logits = (tensor.cpu() for tensor in gathered)
    if torch.equal(indices, torch.arange(count)):  # of one process: nothing is copied
        return Predictions(logits, labels)
    real = indices >= 0
    if not torch.equal(indices[real].sort().values, torch.arange(count)):
        raise RuntimeError(f"{int(real.sum())} predictions for {count} images")
    ordered = torch.empty(count, logits.shape[1])
    ordered[indices[real]] = logits[real]
    return Predictions(ordered, labels)


def losses_of(job: Job, logits: Tensor, labels: Tensor) -> Tensor:
    """The loss of each image (N,), on the host: of very many logits, some images at a time.

    Parameters:
        job: the job.
        logits: of the images (N, K), or of each the same (1, K).
        labels: of the images (N, …).
    """
    device, rows = job.accelerator.device, max(1, _LOGITS // logits.shape[1])
    each = logits.expand(len(labels), -1)
    parts = zip(torch.split(each, rows), torch.split(labels, rows), strict=True)
    return torch.cat([job.losses(some.to(device), own.to(device)).cpu() for some, own in parts])


def guessing_loss(job: Job) -> float:
    """The mean loss on the eval split of the better of two guesses that are the same for all
    images: nothing is known of them, or how frequent each class is in the train split.
    """
    labels, count = job.labels["eval"], len(job.splits.classes)
    guesses = job.task.guesses(job.task.class_counts(job.splits.train.labels, count))
    losses = (losses_of(job, guess[None], labels) for guess in guesses)
    return min(float(each.double().mean()) for each in losses)
