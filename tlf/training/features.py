"""From file to loss, training is a chain: read, decode, resize, augment, frozen stages, learning
stages. What comes before its first random or trainable link is computed once and stored.

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
from tlf.cache.entry import Entry, EntryKey
from tlf.cache.find_or_compute import Filling, find_or_compute, share
from tlf.cache.keys import feature_key
from tlf.cache.partial import Partial
from tlf.components import Augmentation, BatchAugmentation
from tlf.data.decode import decoders
from tlf.data.loading import EVAL_BATCH, Batch, Images, Key, batches_of, make_batches, shard
from tlf.data.transforms import normalize
from tlf.freezing.partition import Layout, Partition
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
    """What the frozen stages make of every image of a split."""

    entry: Entry
    layout: Layout
    labels: Tensor
    """(N, …), as the task has them."""

    def batches(self, keys: Iterable[Sequence[Key]]) -> Iterator[Batch]:
        """One batch for each list of keys."""
        for batch in keys:
            indices = [index for _, index in batch]
            rows = torch.from_numpy(self.entry.rows(indices, self.layout.row))
            numbers = torch.tensor(indices)
            yield Batch(numbers, self.layout.shaped(rows), self.labels[numbers], stored=True)


def apart(plan: Plan, phase: Phase, preprocessing: Preprocessing) -> tuple[int, int, int] | None:
    """(C, S, S) of the images, where the frozen stages of a phase may run by themselves: not
    where batches are mixed before them, or a plugin's training step has to see the whole model.
    """
    mixing = any(isinstance(a, BatchAugmentation) for a in augmentations(plan, phase))
    if mixing or plan.plugins.replaces_step:
        return None
    return preprocessing.channels, preprocessing.size, preprocessing.size


def train_images(job: Job, phase: Phase) -> Images:
    """The images that a phase trains on."""
    each = tuple(a for a in augmentations(job.plan, phase) if isinstance(a, Augmentation))
    return Images(
        job.pixels["train"], job.labels["train"], job.preprocessing.size, each, job.recipe.seed
    )


def _random(images: Images) -> bool:
    """Whether an image looks another way in every epoch."""
    return any(not getattr(original(a), "fixed", False) for a in images.augmentations)


def eval_images(job: Job) -> Images:
    """The images that every phase is evaluated on."""
    return Images(job.pixels["eval"], job.labels["eval"], job.preprocessing.size)


def view(job: Job, phase: Phase, segment: Segment, run_epoch: int) -> int:
    """Which of its random views an image shows in an epoch."""
    views = job.recipe.cache.views
    if not _random(train_images(job, phase)):
        return 0
    return run_epoch % views if views and segment.partition else run_epoch


def train_activations(
    job: Job, phase: Phase, segment: Segment, run_epoch: int
) -> Generator[Events, None, Activations | None]:
    """What the frozen stages make of the train split, stored; None where it changes with every
    epoch or cannot be stored.
    """
    images = train_images(job, phase)
    if _random(images) and job.recipe.cache.views is None:
        return None
    shown = view(job, phase, segment, run_epoch)
    title = f"{len(job.splits.train)} train images"
    if _random(images):
        title += f", view {shown + 1} of {job.recipe.cache.views}"
    return (yield from _activations(job, segment, "train", images, shown, title))


def eval_activations(job: Job, segment: Segment) -> Generator[Events, None, Activations | None]:
    """What the frozen stages make of the eval split, stored; None where it cannot be."""
    title = f"{len(job.splits.eval)} eval images"
    return (yield from _activations(job, segment, "eval", eval_images(job), 0, title))


def model_inputs(job: Job, segment: Segment, batch: Batch) -> Tensor:
    """What the trainable part is given for a batch: images (B, C, S, S), or what the frozen stages
    make of them.
    """
    device = job.accelerator.device
    inputs = batch.inputs.to(device, non_blocking=True)
    if batch.stored:
        return inputs
    images = normalize(inputs, job.preprocessing).contiguous(memory_format=torch.channels_last)
    if segment.partition is None:
        return images
    return _before(job, segment, segment.partition, images)


def largest_piece(job: Job) -> int:
    """How many images of a batch a process is dealt at once, at most."""
    recipe = job.recipe
    shares = job.accelerator.num_processes * recipe.accumulate
    return max(len(shard(range(recipe.batch_size), i, shares)) for i in range(shares))


def _before(job: Job, segment: Segment, partition: Partition, images: Tensor) -> Tensor:
    parts = []
    with job.accelerator.autocast():
        for chunk in torch.split(images, partition.batch):
            missing = partition.batch - len(chunk)
            # The last ones are filled up with copies, which are thrown away.
            filler = [chunk[:1].expand(missing, -1, -1, -1)] if missing else []
            whole = torch.cat([chunk, *filler]).contiguous(memory_format=torch.channels_last)
            parts.append(partition.before(segment.classifier, whole)[: len(chunk)])
    return (
        parts[0]
        if len(parts) == 1
        else partition.layout.shaped(torch.cat([partition.layout.flat(part) for part in parts]))
    )


def _activations(
    job: Job, segment: Segment, what: str, images: Images, shown: int, title: str
) -> Generator[Events, None, Activations | None]:
    partition, store = segment.partition, job.cache
    if partition is None or store is None or what not in job.manifests:
        return None
    if (what, shown) not in segment.stored:
        key = _key(job, segment, partition, what, images, shown)
        wanted = EntryKey("activations", f"{partition.name} of {title}", key)
        size = len(images.labels) * partition.layout.row

        def fill(partial: Partial) -> Filling:
            return _fill(job, segment, partition, images, shown, wanted.title, partial)

        segment.stored[what, shown] = yield from find_or_compute(
            job.accelerator, store, wanted, size, fill
        )
    entry = segment.stored[what, shown]
    return None if entry is None else Activations(entry, partition.layout, images.labels)


def _fill(
    job: Job,
    segment: Segment,
    partition: Partition,
    images: Images,
    shown: int,
    title: str,
    partial: Partial,
) -> Filling:
    """Compute the output of the frozen stages, in order, and write it."""
    count, done = len(images.labels), 0
    mine = share(job.accelerator, count, EVAL_BATCH)
    keys = ([(shown, i) for i in batch] for batch in make_batches(mine, EVAL_BATCH))
    pin = job.accelerator.device.type == "cuda"
    for batch in batches_of(images, keys, job.workers, pin=pin):
        values = model_inputs(job, segment, batch)
        rows = partition.layout.flat(values).cpu().numpy()
        partial.write(int(batch.indices[0]) * partition.layout.row, rows.data)
        done += len(rows)
        yield Prepared(title, min(count, done * job.accelerator.num_processes), count)


def _key(
    job: Job, segment: Segment, partition: Partition, what: str, images: Images, shown: int
) -> dict[str, Any]:
    """What the stored output of the frozen stages depends on."""
    catalogue = job.plan.plugins.catalogue
    components = [job.recipe.backbone, *map(original, images.augmentations)]
    trainable = segment.rates.keys()
    return feature_key(
        job.manifests[what],
        job.preprocessing,
        [(component, catalogue.offer(component)) for component in components],
        job.built.module,
        # The frozen parameters of the backbone, and its buffers.
        {
            name: digest
            for name, digest in segment.before.items()
            if name.startswith("backbone.") and name not in trainable
        },
        {field.name: str(getattr(partition, field.name)) for field in fields(partition)},
        computed(job.accelerator),
        decoders(),
        seed=job.recipe.seed if _random(images) else None,
        view=shown,
    )
