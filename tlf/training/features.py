"""From file to loss, training is a chain: read, decode, resize, augment, frozen stages, learning
stages. What comes before its first random or learning link is computed once and stored.

Decoded images are stored by ``tlf.data.inspect``, the output of the frozen stages here. The last
bits of that output depend on how many images are in a batch, and with some sizes on an image's
place in it. So the frozen stages see all images in batches of one size, stored or not, for which a
probe has shown that places are alike (see ``tlf.freezing.find_partition``).
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from tlf.cache.arithmetic import computed
from tlf.cache.entry import Entry, Wanted
from tlf.cache.find_or_compute import Filling, find_or_compute, share
from tlf.cache.keys import feature_key
from tlf.cache.partial import Partial
from tlf.components import Augmentation, BatchAugmentation
from tlf.data.decode import decoders
from tlf.data.loading import EVAL_BATCH, Batch, Key, Pictures, batches_of, cut, deal
from tlf.data.transforms import normalize
from tlf.freezing.partition import Cut, Layout
from tlf.plugins.attribution import original
from tlf.preprocessing import Preprocessing
from tlf.recipe.plan import Plan
from tlf.recipe.schema import Phase
from tlf.results import Notice, Prepared, Stored
from tlf.training.job import Job
from tlf.training.phases import augmentations
from tlf.training.segment import Segment

Events = Prepared | Notice | Stored


@dataclass(frozen=True)
class Activations:
    """What the frozen stages make of every picture of a split."""

    entry: Entry
    layout: Layout
    labels: Tensor
    """(N,)."""

    def batches(self, keys: Iterable[Sequence[Key]]) -> Iterator[Batch]:
        """One batch for each list of keys."""
        for batch in keys:
            indices = [index for _, index in batch]
            rows = torch.from_numpy(self.entry.rows(indices, self.layout.row))
            numbers = torch.tensor(indices)
            yield Batch(numbers, self.layout.shaped(rows), self.labels[numbers], stored=True)


def apart(plan: Plan, phase: Phase, how: Preprocessing) -> tuple[int, int, int] | None:
    """(C, S, S) of the pictures, where the frozen stages of a phase may run by themselves: not
    where batches are mixed before them, or a plugin's training step has to see the whole model.
    """
    mixing = any(isinstance(a, BatchAugmentation) for a in augmentations(plan, phase))
    if mixing or plan.plugins.replaces_step:
        return None
    return how.channels, how.size, how.size


def train_pictures(job: Job, phase: Phase) -> Pictures:
    """The pictures that a phase learns from."""
    each = tuple(a for a in augmentations(job.plan, phase) if isinstance(a, Augmentation))
    labels = job.splits.train.labels
    return Pictures(job.pixels["train"], labels, job.how.size, each, job.recipe.seed)


def _random(pictures: Pictures) -> bool:
    """Whether a picture looks another way in every epoch."""
    return any(not getattr(original(a), "fixed", False) for a in pictures.augmentations)


def eval_pictures(job: Job) -> Pictures:
    """The pictures that every phase is evaluated on."""
    return Pictures(job.pixels["eval"], job.splits.eval.labels, job.how.size)


def view(job: Job, phase: Phase, segment: Segment, run_epoch: int) -> int:
    """Which of its random views a picture shows in an epoch."""
    views = job.recipe.cache.views
    if not _random(train_pictures(job, phase)):
        return 0
    return run_epoch % views if views and segment.cut else run_epoch


def train_activations(
    job: Job, phase: Phase, segment: Segment, run_epoch: int
) -> Generator[Events, None, Activations | None]:
    """What the frozen stages make of the train split, stored; None where it changes with every
    epoch or cannot be stored.
    """
    pictures = train_pictures(job, phase)
    if _random(pictures) and job.recipe.cache.views is None:
        return None
    shown = view(job, phase, segment, run_epoch)
    title = f"{len(job.splits.train)} train pictures"
    if _random(pictures):
        title += f", view {shown + 1} of {job.recipe.cache.views}"
    return (yield from _activations(job, segment, "train", pictures, shown, title))


def eval_activations(job: Job, segment: Segment) -> Generator[Events, None, Activations | None]:
    """What the frozen stages make of the eval split, stored; None where it cannot be."""
    title = f"{len(job.splits.eval)} eval pictures"
    return (yield from _activations(job, segment, "eval", eval_pictures(job), 0, title))


def model_inputs(job: Job, segment: Segment, batch: Batch) -> Tensor:
    """What the learning part is given for a batch: images (B, C, S, S), or what the frozen stages
    make of them.
    """
    device = job.accelerator.device
    inputs = batch.inputs.to(device, non_blocking=True)
    if batch.stored:
        return inputs
    images = normalize(inputs, job.how).contiguous(memory_format=torch.channels_last)
    if segment.cut is None:
        return images
    return _before(job, segment, segment.cut, images)


def largest_piece(job: Job) -> int:
    """How many pictures of a batch a process is dealt at once, at most."""
    recipe = job.recipe
    shares = job.accelerator.num_processes * recipe.accumulate
    return max(len(deal(range(recipe.batch_size), i, shares)) for i in range(shares))


def _before(job: Job, segment: Segment, at: Cut, images: Tensor) -> Tensor:
    parts = []
    with job.accelerator.autocast():
        for chunk in torch.split(images, at.batch):
            missing = at.batch - len(chunk)
            # The last ones are filled up with copies, which are thrown away.
            filler = [chunk[:1].expand(missing, -1, -1, -1)] if missing else []
            whole = torch.cat([chunk, *filler]).contiguous(memory_format=torch.channels_last)
            parts.append(at.before(segment.classifier, whole)[: len(chunk)])
    return (
        parts[0]
        if len(parts) == 1
        else at.layout.shaped(torch.cat([at.layout.flat(part) for part in parts]))
    )


def _activations(
    job: Job, segment: Segment, what: str, pictures: Pictures, shown: int, title: str
) -> Generator[Events, None, Activations | None]:
    at, store = segment.cut, job.cache
    if at is None or store is None or what not in job.manifests:
        return None
    if (what, shown) not in segment.stored:
        key = _key(job, segment, at, what, pictures, shown)
        wanted = Wanted("activations", f"{at.name} of {title}", key)
        size = len(pictures.labels) * at.layout.row

        def fill(partial: Partial) -> Filling:
            return _fill(job, segment, at, pictures, shown, wanted.title, partial)

        segment.stored[what, shown] = yield from find_or_compute(
            job.accelerator, store, wanted, size, fill
        )
    entry = segment.stored[what, shown]
    labels = torch.tensor(pictures.labels)
    return None if entry is None else Activations(entry, at.layout, labels)


def _fill(
    job: Job,
    segment: Segment,
    at: Cut,
    pictures: Pictures,
    shown: int,
    title: str,
    partial: Partial,
) -> Filling:
    """Compute the output of the frozen stages, in order, and write it."""
    count, done = len(pictures.labels), 0
    mine = share(job.accelerator, count, EVAL_BATCH)
    keys = ([(shown, i) for i in batch] for batch in cut(mine, EVAL_BATCH))
    pin = job.accelerator.device.type == "cuda"
    for batch in batches_of(pictures, keys, job.workers, pin=pin):
        values = model_inputs(job, segment, batch)
        rows = at.layout.flat(values).cpu().numpy()
        partial.write(int(batch.indices[0]) * at.layout.row, rows.data)
        done += len(rows)
        yield Prepared(title, min(count, done * job.accelerator.num_processes), count)


def _key(
    job: Job, segment: Segment, at: Cut, what: str, pictures: Pictures, shown: int
) -> dict[str, Any]:
    """What the stored output of the frozen stages depends on."""
    catalogue = job.plan.plugins.catalogue
    components = [job.recipe.backbone, *map(original, pictures.augmentations)]
    learning = segment.rates.keys()
    return feature_key(
        job.manifests[what],
        job.how,
        [(component, catalogue.offer(component)) for component in components],
        job.built.module,
        # The frozen parameters of the backbone, and its buffers.
        {
            name: digest
            for name, digest in segment.before.items()
            if name.startswith("backbone.") and name not in learning
        },
        {field.name: str(getattr(at, field.name)) for field in fields(at)},
        computed(job.accelerator),
        decoders(),
        seed=job.recipe.seed if _random(pictures) else None,
        view=shown,
    )
