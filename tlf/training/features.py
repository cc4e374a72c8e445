"""The output of the frozen stages: computed once, stored, and read in every epoch.

An image passes a chain of steps: read, decode, resize, augment, frozen stages, trainable stages,
loss. Everything before the first random or trainable step is the same in every epoch, so it is
computed once. ``tlf.data.inspection`` stores the decoded images; this module stores the output of
the frozen stages.

The last bits of that output depend on the size of the batch, and for some sizes on the position
of an image in the batch. So on a CPU the frozen stages always get batches of one fixed size, stored
or not. A probe has shown that at this size every position gives the same bits (see
``tlf.freezing.find_partition``). A GPU gets as many images as come, up to this size: no size is
proven there.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import tee
from typing import Any

import torch
from torch import Tensor

from tlf.cache.arithmetic import computed
from tlf.cache.entry import EntryKey
from tlf.cache.find_or_compute import Filling, find_or_compute, share
from tlf.cache.keys import feature_key
from tlf.cache.partial import Partial
from tlf.cache.rows import Rows
from tlf.components import Augmentation
from tlf.data.decoding.libraries import decoders
from tlf.data.loader import Loader
from tlf.data.loading import EVAL_BATCH, Batch, Images, Key
from tlf.data.pixel_store import FULL, StoredPixels
from tlf.data.transfer import on_device, on_host
from tlf.data.transforms import normalize
from tlf.events import Notice, Prepared, Stored
from tlf.freezing.partition import Layout, Partition
from tlf.plugins.attribution import original
from tlf.recipe.augment import crops_files, is_random
from tlf.recipe.prepare import transforms_of
from tlf.recipe.schema import Phase
from tlf.runtime.ahead import sent
from tlf.training.job import Job
from tlf.training.phases import augmentations
from tlf.training.segments.segment import Segment

Events = Prepared | Notice | Stored


@dataclass(frozen=True)
class Activations:
    """The stored output of the frozen stages for every image of a split."""

    layout: Layout
    labels: Tensor
    """(N, …), as the task has them, on the device."""
    images: Images
    """What they were computed from."""
    rows: Rows

    def batches(self, keys: Iterable[Sequence[Key]]) -> Iterator[Batch]:
        """One batch for each list of keys: of images, where the entry was cut while in use."""
        keys, ahead = tee(keys)
        found = self.rows.read([index for _, index in batch] for batch in ahead)
        for batch, (indices, rows) in zip(keys, found, strict=True):
            if rows is None:  # ``cut_entries`` says so
                yield from on_device(
                    Loader(self.images, 0, pin=False).batches([batch]), self.rows.device
                )
            else:
                labels = self.labels[indices]
                yield Batch(indices, self.layout.shaped(rows), labels, stored=True)


def train_images(job: Job, phase: Phase) -> Images:
    """The train split, augmented as a phase has it."""
    each = tuple(a for a in augmentations(job.plan, phase) if isinstance(a, Augmentation))
    full = crops_files(job.recipe, phase)
    return Images(
        job.pixels[FULL if full else "train"],
        job.labels["train"],
        job.preprocessing.size,
        each,
        job.recipe.seed,
        full,
        transforms_of(job.plan),
    )


def _random(images: Images) -> bool:
    """Whether augmentation changes an image from epoch to epoch."""
    return is_random(map(original, images.augmentations))


def eval_images(job: Job) -> Images:
    """The eval split, which is never augmented."""
    return Images(
        job.pixels["eval"],
        job.labels["eval"],
        job.preprocessing.size,
        prepare=transforms_of(job.plan),
    )


def plain_batches(
    job: Job, images: Images, indices: Iterable[Sequence[int]], stored: "Activations | None"
) -> Iterator[Batch]:
    """Batches of unaugmented images, by their indices, on the device: of the stored output of the
    frozen stages where there is one, of pixels otherwise.
    """
    keys = ([(0, index) for index in batch] for batch in indices)
    if stored is not None:
        return stored.batches(keys)
    return job.loaders.batches(images, keys)


def view(job: Job, phase: Phase, segment: Segment, run_epoch: int) -> int | None:
    """The number of the random view that every image has in an epoch; 0 where nothing is random;
    None where each draw of an image has its own view.

    With stored features, ``cache.views`` views take turns.
    """
    views = job.recipe.cache.views
    if not _random(train_images(job, phase)):
        return 0
    return run_epoch % views if views and segment.partition else None


def stores_train(job: Job, phase: Phase, segment: Segment) -> bool:
    """Whether a segment stores what the head gets for every train image of a phase, and none of
    these is augmented at random.
    """
    whole = segment.partition is not None and segment.partition.whole
    stores = job.cache is not None and "train" in job.manifests
    return whole and stores and not _random(train_images(job, phase))


def train_activations(
    job: Job, phase: Phase, segment: Segment, run_epoch: int
) -> Generator[Events, None, Activations | None]:
    """The stored output of the frozen stages for the train split.

    None where it changes in every epoch, or cannot be stored.
    """
    images = train_images(job, phase)
    view_number = view(job, phase, segment, run_epoch)
    if view_number is None:
        return None
    title = f"{len(job.splits.train):,} train images"
    if _random(images):
        title += f", view {view_number + 1} of {job.recipe.cache.views}"
    return (yield from activations(job, segment, "train", images, view_number, title))


def eval_activations(job: Job, segment: Segment) -> Generator[Events, None, Activations | None]:
    """The stored output of the frozen stages for the eval split; None where it cannot be stored."""
    title = f"{len(job.splits.eval):,} eval images"
    return (yield from activations(job, segment, "eval", eval_images(job), 0, title))


def model_inputs(job: Job, segment: Segment, batch: Batch) -> Tensor:
    """The input of the trainable part for a batch: images (B, C, S, S), or the output of the frozen
    stages for them.
    """
    inputs = sent(batch.inputs, job.accelerator.device)
    if batch.stored:
        return inputs
    images = normalize(inputs, job.preprocessing).contiguous(memory_format=torch.channels_last)
    if segment.partition is None:
        return images
    return _frozen_output(job, segment, segment.partition, images)


def _frozen_output(job: Job, segment: Segment, partition: Partition, images: Tensor) -> Tensor:
    parts = []
    with job.accelerator.autocast(), segment.cast_weights():
        for chunk in torch.split(images, partition.batch):
            whole = chunk if images.device.type != "cpu" else _filled_up(chunk, partition.batch)
            parts.append(partition.before(segment.classifier, whole)[: len(chunk)])
    return (
        parts[0]
        if len(parts) == 1
        else partition.layout.shaped(torch.cat([partition.layout.flat(part) for part in parts]))
    )


def _filled_up(images: Tensor, count: int) -> Tensor:
    """A batch of ``count`` images: behind those that are given come copies of the first."""
    missing = count - len(images)
    if not missing:
        return images
    copies = images[:1].expand(missing, -1, -1, -1)
    return torch.cat([images, copies]).contiguous(memory_format=torch.channels_last)


def activations(
    job: Job, segment: Segment, split: str, images: Images, view_number: int, title: str
) -> Generator[Events, None, Activations | None]:
    """The stored output of the frozen stages for images of a split; None where it cannot be stored.

    ``title``: what messages call the images.
    """
    partition, store = segment.partition, job.cache
    if partition is None or store is None or split not in job.manifests:
        return None
    place = split, view_number if images.augmentations else None
    if place not in segment.stored:
        key = _key(job, segment, partition, split, images, view_number)
        wanted = EntryKey("activations", f"{partition.name} of {title}", key)
        size = len(images.labels) * partition.layout.row

        def fill(partial: Partial) -> Filling:
            return _fill(job, segment, partition, images, view_number, wanted.title, partial)

        entry = yield from find_or_compute(job.accelerator, store, wanted, size, fill)
        segment.stored[place] = (
            Rows(entry, partition.layout.row, len(images.labels), job.accelerator.device)
            if entry
            else None
        )
    rows = segment.stored[place]
    labels = images.labels.to(job.accelerator.device)
    return None if rows is None else Activations(partition.layout, labels, images, rows)


def cut_entries(job: Job, segment: Segment) -> Iterator[Notice]:
    """Name the entries of the cache that were cut while they are in use."""
    used = [each.entry for each in job.pixels.values() if isinstance(each, StoredPixels)]
    stored = [rows.entry for rows in segment.stored.values() if rows is not None]
    for entry in (*used, *stored):
        if not entry.is_whole():
            yield Notice(
                f"{entry.title}: {entry.folder} was cut while it was in use; what is missing is "
                "computed anew"
            )


def _fill(
    job: Job,
    segment: Segment,
    partition: Partition,
    images: Images,
    view_number: int,
    title: str,
    partial: Partial,
) -> Filling:
    """Compute the output of the frozen stages in the order of the split, and write it."""
    count, done = len(images.labels), 0
    size = max(EVAL_BATCH, partition.batch)  # a smaller batch would be filled up
    batches = share(job.accelerator, count, size)
    keys = ([(view_number, i) for i in batch] for batch in batches)

    def computed_rows() -> Iterator[Tensor]:
        for batch in job.loaders.batches(images, keys):
            yield partition.layout.flat(model_inputs(job, segment, batch))

    for batch, rows in zip(batches, on_host(computed_rows()), strict=True):
        partial.write(batch[0] * partition.layout.row, rows.numpy().data)
        done += len(rows)
        yield Prepared(title, min(count, done * job.accelerator.num_processes), count)


def _key(
    job: Job, segment: Segment, partition: Partition, split: str, images: Images, view_number: int
) -> dict[str, Any]:
    """The cache key: everything that the output of the frozen stages depends on."""
    catalogue = job.plan.plugins.catalogue
    prepare = job.recipe.transforms.prepare
    components = [job.recipe.backbone, *prepare, *map(original, images.augmentations)]
    trainable = segment.rates.keys()
    return feature_key(
        job.manifests[split],
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
        view=view_number,
        full=images.full,
    )
