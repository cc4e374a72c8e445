"""Build the scene of a page out of a job."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from tlf.components import Split
from tlf.data.decoding.arrays import shown_picture
from tlf.data.loading import Images
from tlf.freezing.stage_modules import outermost
from tlf.model import parameter_count
from tlf.recipe.augment import augmentations_of, is_random
from tlf.reports.thumbnails import SIDES, jpeg
from tlf.runtime.devices import describe
from tlf.runtime.text import printable
from tlf.simulator.costs import ForwardWork
from tlf.simulator.network.images import classes_of
from tlf.simulator.network.stages import statistics_names
from tlf.simulator.rates import optimizers
from tlf.simulator.scene import Preset, Scene, SceneImage, Stage
from tlf.training.embeddings import plain_train_images
from tlf.training.features import eval_images
from tlf.training.job import Job
from tlf.training.signals import parts

NAMES = 100_000
"""Characters of the names of all classes, at most: a page holds no more."""


def scene_of(
    job: Job,
    presets: tuple[Preset, ...],
    batches: tuple[int, ...],
    initialisations: tuple[str, ...],
    forward: ForwardWork,
    notes: Sequence[str],
) -> Scene:
    """What the page shows of a job.

    Parameters:
        job: the job, with the images of the page.
        presets: settings to choose from.
        batches: batch sizes to choose from.
        initialisations: weights to choose from.
        forward: what a forward pass costs.
        notes: how the page was fitted to the network.
    """
    recipe, catalogue = job.recipe, job.plan.plugins.catalogue
    backbone = recipe.backbone
    return Scene(
        title=printable(Path(job.plan.source).stem),
        backbone=f"{catalogue.offer(backbone).kind} {getattr(backbone, 'model', '')}".strip(),
        weights=_weights(job),
        head=catalogue.offer(recipe.head).kind,
        size=job.preprocessing.size,
        classes=_classes(job),
        stages=_stages(job, forward),
        train=_images(job, plain_train_images(job), job.splits.train),
        eval=_images(job, eval_images(job), job.splits.eval),
        presets=presets,
        optimizers=tuple(optimizers(recipe, catalogue)),
        batches=batches,
        initialisations=initialisations,
        device=f"{describe(job.accelerator)}, torch {torch.__version__}",
        right=job.task.right_means,
        notes=(*job.splits.notes, *job.built.notes, *notes, *_left_out(job)),
    )


def _weights(job: Job) -> str:
    """Where the weights come from; of a file, its name."""
    files = (str(getattr(job.recipe.backbone, "weights", "")), job.recipe.start_from or "")
    named = (Path(file).name if Path(file).is_absolute() else file for file in files)
    return ", then ".join(filter(None, named))


def _classes(job: Job) -> tuple[str, ...]:
    names = job.splits.classes
    if sum(map(len, names)) <= NAMES:
        return names
    labels = (*job.splits.train.labels, *job.splits.eval.labels)
    counts = job.task.class_counts(labels, len(names))
    return tuple(name if counts[k] else f"#{k}" for k, name in enumerate(names))


def _stages(job: Job, forward: ForwardWork) -> tuple[Stage, ...]:
    statistics = dict.fromkeys(parts(job.classifier), 0)
    for _, module, stage in outermost(job.classifier):
        statistics[stage] += len(statistics_names(module))
    return tuple(
        Stage(
            name,
            parameter_count(job.classifier, names),
            forward.multiply_adds[name],
            statistics[name],
            name in forward.observed,
        )
        for name, names in parts(job.classifier).items()
    )


def _images(job: Job, images: Images, split: Split) -> tuple[SceneImage, ...]:
    thumbnails = (_thumbnail(images[0, index][1]) for index in range(len(split)))
    labels = classes_of(job, job.task.labels(split.labels, len(job.splits.classes)))
    return tuple(map(SceneImage, split.names, labels, thumbnails))


def _thumbnail(pixels: Tensor) -> str:
    """What the network sees of an image (C, S, S), before it is normalised."""
    return jpeg(shown_picture(pixels.permute(1, 2, 0).numpy()), SIDES[0])


def _left_out(job: Job) -> Iterator[str]:
    """What a run does and the page does not: one sentence each."""
    recipe = job.recipe
    augmented = [p for p in recipe.phases if augmentations_of(recipe, p)]
    if augmented:
        once = ""
        if any(is_random(augmentations_of(recipe, phase)) for phase in augmented):
            once = "; a run that augments at random computes frozen stages once with cache.views"
        yield f"Images are not augmented here, so that steps can be compared{once}."
    for phase in recipe.phases:
        if phase.lr_matching is not None:
            yield (
                f"lr_matching of the phase {phase.name} is left out here: each stage has one "
                "learning rate."
            )
        if phase.ema is not None:
            yield f"ema of the phase {phase.name} is left out here: weights are not averaged."
    if any(type(phase.scheduler).__name__ != "Constant" for phase in recipe.phases):
        yield "Learning rates stay the same from step to step here; no scheduler changes them."
    if job.plan.recipe.accumulate != 1:
        yield "A batch is computed whole here, not in pieces as accumulate has it."
