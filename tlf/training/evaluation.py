"""Classify a split exactly: every image counts once, however many processes share the work."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor

from tlf.data.loading import EVAL_BATCH, Batch, batches_of, make_batches
from tlf.runtime.devices import on_threads
from tlf.training.features import Activations, eval_images, model_inputs
from tlf.training.job import Job
from tlf.training.segment import Segment


@dataclass(frozen=True)
class Predictions:
    """What a model makes of a whole split, in its order."""

    logits: Tensor
    """(N, K) float32 on the CPU."""
    labels: Tensor
    """(N, …), as the task has them."""


@torch.inference_mode()
def classify(job: Job, segment: Segment, stored: Activations | None) -> Iterator[int | Predictions]:
    """Yield how many images of the eval split are done after each batch, and in the end their
    predictions. ``stored``: what the frozen stages make of them.
    """
    accelerator, classifier, partition = job.accelerator, segment.classifier, segment.partition
    classifier.eval()
    count, device = len(job.splits.eval), accelerator.device
    rank, processes = accelerator.process_index, accelerator.num_processes
    # Whole batches are dealt out: whoever evaluates an image does so among the same others.
    every = make_batches(range(count), EVAL_BATCH)
    mine = every[rank::processes]
    nothing = torch.empty(0, len(job.splits.classes), device=device)
    parts = [(torch.empty(0, dtype=torch.long, device=device), nothing)]
    done = 0
    for batch in _batches(job, stored, mine):
        inputs = model_inputs(job, segment, batch)
        with accelerator.autocast(), on_threads(segment.threads):
            logits = (
                classifier(inputs) if partition is None else partition.behind(classifier, inputs)
            )
        parts.append((batch.indices.to(device), logits.float()))
        done += len(logits)
        yield min(count, done * processes)
    if len(mine) * processes < len(every):
        yield count  # others have a batch more, and processes agree after each on going on
    yield _joined(accelerator, parts, job.labels["eval"])


def _batches(
    job: Job, stored: Activations | None, indices: Iterable[Sequence[int]]
) -> Iterator[Batch]:
    keys = ([(0, i) for i in batch] for batch in indices)
    if stored is not None:
        return stored.batches(keys)
    pin = job.accelerator.device.type == "cuda"
    return batches_of(eval_images(job), keys, job.workers, pin=pin)


def _joined(
    accelerator: Accelerator, parts: list[tuple[Tensor, Tensor]], labels: Tensor
) -> Predictions:
    """Gather (index, logits) from all processes; put each image's logits at its index.

    Raises:
        RuntimeError: an image is missing.
    """
    count = len(labels)
    indices = torch.cat([i for i, _ in parts])
    logits = torch.cat([x for _, x in parts])
    # Processes may hold a batch fewer than others, and gathering needs equal shapes.
    indices = accelerator.pad_across_processes(indices, pad_index=-1)
    gathered = accelerator.gather((indices, accelerator.pad_across_processes(logits)))
    indices, logits = (tensor.cpu() for tensor in gathered)
    real = indices >= 0
    if not torch.equal(indices[real].sort().values, torch.arange(count)):
        raise RuntimeError(f"{int(real.sum())} predictions for {count} images")
    ordered = torch.empty(count, logits.shape[1])
    ordered[indices[real]] = logits[real]
    return Predictions(ordered, labels)
