"""The embeddings of images: what the head gets for each of them, when nothing is random.

Nearest images, near-duplicates and wrong labels are found among them. A run whose whole backbone
was frozen has stored them already; otherwise they are computed once and stored.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tlf.data.loading import EVAL_BATCH, Images, make_batches
from tlf.events import Prepared
from tlf.model import pooled
from tlf.training.features import (
    Events,
    activations,
    eval_images,
    model_inputs,
    plain_batches,
    stores_train,
)
from tlf.training.job import Job, largest_piece
from tlf.training.phases import probed
from tlf.training.segments.segment import Segment, SegmentSetup, begin_segment
from tlf.training.state import State


@dataclass(frozen=True)
class Embeddings:
    """The embeddings of images of a job, in the order of its splits."""

    train: Tensor
    """(N, F) float32 on the CPU."""
    eval: Tensor
    """(N, F) float32 on the CPU."""


def embeddings(
    job: Job,
    train: Sequence[int] | None = None,
    eval: Sequence[int] | None = None,
    *,
    segment: Segment | None = None,
) -> Generator[Events, None, Embeddings]:
    """Embed images of both splits with the backbone as it is now. No image is augmented.

    A head that pools gets feature maps or tokens; their mean over all places is the embedding. All
    processes have to call this. The job's loaders have to be open (``with job.loaders``).

    Parameters:
        job: the job.
        train: indices of the train images; None: all of them.
        eval: indices of the eval images; None: all of them.
        segment: one that ``stored_by`` returns, where there is one: a new one is not begun.
    """
    segment = segment or _all_frozen(job)
    try:
        return Embeddings(
            (yield from _embedded(job, segment, "train", plain_train_images(job), train)),
            (yield from _embedded(job, segment, "eval", eval_images(job), eval)),
        )
    finally:
        job.accelerator.free_memory()


def train_embeddings(job: Job) -> Generator[Events, None, Tensor]:
    """The embeddings (N, F) of the train split alone, as ``embeddings`` computes them."""
    segment = _all_frozen(job)
    try:
        return (yield from _embedded(job, segment, "train", plain_train_images(job), None))
    finally:
        job.accelerator.free_memory()


def plain_train_images(job: Job) -> Images:
    """The train split without augmentation."""
    return replace(eval_images(job), pixels=job.pixels["train"], labels=job.labels["train"])


def stored_by(job: Job, state: State) -> Segment | None:
    """The last segment of a run that stores the embeddings of every train image; None if it does
    not: something of the backbone has trained, or images were augmented at random.
    """
    segment = state.segment or state.last
    head = {*job.classifier.head_names}
    if segment is None or not all(started.rates.keys() <= head for started in state.segments):
        return None
    phases = {phase.name: phase for phase in job.recipe.phases}
    # The phase of the segment: a run that was stopped may not have come to its last one.
    return segment if stores_train(job, phases[state.segments[-1].phase], segment) else None


def _all_frozen(job: Job) -> Segment:
    """The model with its whole backbone frozen, as a phase that trains the head alone has it."""
    setup = SegmentSetup(
        frozen=frozenset(job.classifier.backbone_names),
        rates=dict.fromkeys(job.classifier.head_names, 1.0),
        optimizer=job.recipe.optimizer,
        image=probed(job.plan, job.preprocessing),
        piece=largest_piece(job),
        probe_answers=job.probe_answers,
    )
    segment = begin_segment(job.accelerator, job.classifier, setup)
    apart = segment.partition is not None and segment.partition.whole
    return segment if apart else replace(segment, partition=None)


@torch.inference_mode()
def _embedded(
    job: Job, segment: Segment, split: str, images: Images, chosen: Sequence[int] | None
) -> Generator[Events, None, Tensor]:
    every = range(len(images.labels))
    title = f"{len(every):,} {split} images"
    stored = yield from activations(job, segment, split, images, 0, title)
    indices = every if chosen is None else chosen
    segment.classifier.eval()
    rows: list[Tensor] = []
    done = 0
    for batch in plain_batches(job, images, make_batches(indices, EVAL_BATCH), stored):
        features = model_inputs(job, segment, batch)
        if segment.partition is None:
            with job.accelerator.autocast():
                features = segment.classifier.features(features)
        rows.append(pooled(features).cpu())
        done += len(features)
        if stored is None:
            yield Prepared(f"embeddings of {title}", done, len(indices))
    return torch.cat(rows)
