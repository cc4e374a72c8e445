"""The embeddings of images: what the head gets for each of them, when nothing is random.

Nearest images, near-duplicates and wrong labels are found among them. A run whose whole backbone
was frozen has stored them already; otherwise they are computed once and stored.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tlf.data.loading import EVAL_BATCH, Images, make_batches
from tlf.data.transfer import on_device
from tlf.events import Prepared
from tlf.training.features import Events, activations, eval_images, model_inputs
from tlf.training.job import Job, largest_piece
from tlf.training.phases import probed
from tlf.training.segments.segment import Segment, SegmentSetup, begin_segment


@dataclass(frozen=True)
class Embeddings:
    """The embeddings of all images of a job, in the order of its splits."""

    train: Tensor
    """(N, F) float32 on the CPU."""
    eval: Tensor
    """(N, F) float32 on the CPU."""


def embeddings(job: Job) -> Generator[Events, None, Embeddings]:
    """Embed every image of both splits with the backbone as it is now. No image is augmented.

    A head that pools gets feature maps or tokens; their mean over all places is the embedding. All
    processes have to call this. The job's loaders have to be open (``with job.loaders``).
    """
    train, evaluated = _train_images(job), eval_images(job)
    segment = _all_frozen(job)
    try:
        return Embeddings(
            (yield from _embedded(job, segment, "train", train)),
            (yield from _embedded(job, segment, "eval", evaluated)),
        )
    finally:
        job.accelerator.free_memory()


def _train_images(job: Job) -> Images:
    """The train split without augmentation."""
    return replace(eval_images(job), pixels=job.pixels["train"], labels=job.labels["train"])


def _all_frozen(job: Job) -> Segment:
    """The model with its whole backbone frozen, as a phase that trains the head alone has it."""
    setup = SegmentSetup(
        frozen=frozenset(job.classifier.backbone_names),
        rates=dict.fromkeys(job.classifier.head_names, 1.0),
        optimizer=job.recipe.optimizer,
        image=probed(job.plan, job.preprocessing),
        piece=largest_piece(job),
    )
    segment = begin_segment(job.accelerator, job.classifier, setup)
    apart = segment.partition is not None and segment.partition.whole
    return segment if apart else replace(segment, partition=None)


@torch.inference_mode()
def _embedded(
    job: Job, segment: Segment, split: str, images: Images
) -> Generator[Events, None, Tensor]:
    count = len(images.labels)
    title = f"{count} {split} images"
    stored = yield from activations(job, segment, split, images, 0, title)
    batches = [[(0, i) for i in batch] for batch in make_batches(range(count), EVAL_BATCH)]
    if stored is not None:
        loaded = stored.batches(batches)
    else:
        loaded = on_device(job.loaders.batches(images, batches), job.accelerator.device)
    segment.classifier.eval()
    rows: list[Tensor] = []
    for batch in loaded:
        features = model_inputs(job, segment, batch)
        if segment.partition is None:
            with job.accelerator.autocast():
                features = segment.classifier.features(features)
        rows.append(_pooled(features).cpu())
        if stored is None:
            yield Prepared(f"embeddings of {title}", EVAL_BATCH * len(rows), count)
    return torch.cat(rows)


def _pooled(features: Tensor) -> Tensor:
    """Features (B, F), maps (B, F, H, W) or tokens (B, N, F) → (B, F) float32."""
    features = features.float()
    if features.ndim == 4:
        return features.mean((2, 3))
    return features.mean(1) if features.ndim == 3 else features
