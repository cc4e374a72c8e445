"""The pooled output of every stage of a backbone for each train image, all from one pass.

The output of a stage is what the first module of the next stage gets: what tlf would store if
everything up to it were frozen. The last one is the embedding. All of them are computed once and
stored as one entry of the cache.
"""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from tlf.cache.arithmetic import computed
from tlf.cache.entry import EntryKey
from tlf.cache.find_or_compute import Filling, find_or_compute
from tlf.cache.keys import feature_key
from tlf.cache.partial import Partial
from tlf.cache.rows import Rows
from tlf.data.decoding.libraries import decoders
from tlf.data.loading import EVAL_BATCH, make_batches
from tlf.data.transforms import dtype_of, normalize
from tlf.events import Prepared
from tlf.freezing.stage_modules import first_tensor, outermost
from tlf.model import Classifier, pooled
from tlf.training.embeddings import plain_train_images
from tlf.training.features import Events
from tlf.training.job import Job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def stage_outputs(job: Job) -> "Generator[Events, None, dict[str, NDArray[np.float32]]]":
    """Stage → the pooled output (N, C) for each train image, from the first stage to the last.

    The job's images are read, and its loaders are open.
    """
    job.classifier.eval()
    shape = job.preprocessing.channels, job.preprocessing.size, job.preprocessing.size
    black = torch.zeros(2, *shape, dtype=dtype_of(job.preprocessing))
    widths = {stage: output.shape[1] for stage, output in _outputs(job, black).items()}
    title = f"output of {len(widths)} stages for {len(job.splits.train)} train images"
    rows = yield from _stored(job, title, widths)
    whole = None if rows is None else _read(rows)
    if whole is None:  # nothing is stored, or it was cut
        found = []
        for batch in _batches(job):
            found.append(batch)
            yield Prepared(title, sum(map(len, found)), len(job.splits.train))
        whole = torch.cat(found)
    parts = torch.split(whole, [*widths.values()], dim=1)
    return {stage: part.numpy() for stage, part in zip(widths, parts, strict=True)}


def _stored(
    job: Job, title: str, widths: Mapping[str, int]
) -> Generator[Events, None, Rows | None]:
    """The stored outputs, which are computed where they are not there; None where they cannot be
    stored.
    """
    if job.cache is None or "train" not in job.manifests:
        return None
    row, count = 4 * sum(widths.values()), len(job.splits.train)
    key = EntryKey("activations", title, _key(job, widths))

    def fill(partial: Partial) -> Filling:
        done = 0
        for batch in _batches(job):
            partial.write(done * row, batch.contiguous().view(torch.uint8).numpy().data)
            done += len(batch)
            yield Prepared(title, done, count)

    entry = yield from find_or_compute(job.accelerator, job.cache, key, row * count, fill)
    return None if entry is None else Rows(entry, row, count, torch.device("cpu"))


def _read(rows: Rows) -> Tensor | None:
    found = [part for _, part in rows.read(make_batches(range(rows.count), EVAL_BATCH))]
    whole = [part.view(torch.float32) for part in found if part is not None]
    return torch.cat(whole) if len(whole) == len(found) else None


def _key(job: Job, widths: Mapping[str, int]) -> dict[str, Any]:
    """Everything that the outputs depend on."""
    catalogue = job.plan.plugins.catalogue
    components = [job.recipe.backbone, *job.recipe.transforms.prepare]
    return feature_key(
        job.manifests["train"],
        job.preprocessing,
        [(component, catalogue.offer(component)) for component in components],
        job.built.module,
        {"backbone": job.backbone_sha256},
        {"stages": repr([*widths.items()]), "batch": str(EVAL_BATCH)},
        computed(job.accelerator),
        decoders(),
        seed=None,
        view=0,
        full=False,
    )


def _batches(job: Job) -> Iterator[Tensor]:
    """The outputs of all stages side by side (B, C₁ + C₂ + …), batch by batch."""
    images = plain_train_images(job)
    indices = make_batches(range(len(images.labels)), EVAL_BATCH)
    keys = ([(0, index) for index in batch] for batch in indices)
    for batch in job.loaders.batches(images, keys):
        yield torch.cat([*_outputs(job, batch.inputs).values()], dim=1).cpu()


@torch.inference_mode()
def _outputs(job: Job, images: Tensor) -> dict[str, Tensor]:
    """Stage → its pooled output (B, C). ``images``: uint8 (B, C, S, S)."""
    given = normalize(images.to(job.accelerator.device), job.preprocessing)
    given = given.contiguous(memory_format=torch.channels_last)
    with job.accelerator.autocast(), _watched(job.classifier) as inputs:
        features = job.classifier.features(given)
    last = [*job.classifier.stages][-1]
    found = {stage: _pooled(job.classifier.backbone, values) for stage, values in inputs.items()}
    return {**found, last: pooled(features)}


@contextmanager
def _watched(classifier: Classifier) -> Iterator[dict[str, Tensor]]:
    """While it is open: stage → what the first module that is called of the next one gets."""
    inputs: dict[str, Tensor] = {}
    stages = [*classifier.stages]
    below = dict(zip(stages[1:], stages, strict=False))

    def enter(stage: str, given: tuple[Any, ...]) -> None:
        values = first_tensor(given)
        if stage in below and below[stage] not in inputs and values is not None:
            inputs[below[stage]] = values

    handles = [
        module.register_forward_pre_hook(lambda _, given, stage=stage: enter(stage, given))
        for _, module, stage in outermost(classifier)
        if stage in classifier.stages
    ]
    try:
        yield inputs
    finally:
        for handle in handles:
            handle.remove()


def _pooled(backbone: nn.Module, values: Tensor) -> Tensor:
    """The mean over all places. Swin's maps are (B, H, W, C) inside the network."""
    flat = getattr(backbone, "output_fmt", "NCHW") == "NHWC" or hasattr(backbone, "permute")
    return pooled(values.flatten(1, 2) if flat and values.ndim == 4 else values)
