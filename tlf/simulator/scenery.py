"""Build the scene of a page out of a job."""

from base64 import b64encode
from io import BytesIO

import torch
from PIL import Image

from tlf.components import Split
from tlf.data.loading import Pixels
from tlf.data.transforms import center_crop
from tlf.model import parameter_count
from tlf.simulator.scene import Preset, Scene, SceneImage, Stage
from tlf.simulator.settings import PRETRAINED, RANDOM
from tlf.training.job import Job
from tlf.training.signals import parts


def scene_of(job: Job, presets: tuple[Preset, ...]) -> Scene:
    """What the page shows of a job."""
    recipe, catalogue = job.recipe, job.plan.plugins.catalogue
    backbone = recipe.backbone
    has_weights = hasattr(backbone, "weights")
    return Scene(
        title=job.plan.source,
        backbone=f"{catalogue.offer(backbone).kind} {getattr(backbone, 'model', '')}".strip(),
        weights=str(getattr(backbone, "weights", "")),
        head=catalogue.offer(recipe.head).kind,
        size=job.preprocessing.size,
        classes=tuple(job.splits.classes),
        stages=tuple(
            Stage(name, parameter_count(job.classifier, names), 0, 0, observed=True)
            for name, names in parts(job.classifier).items()
        ),
        train=_images(job, job.splits.train, job.pixels["train"]),
        eval=_images(job, job.splits.eval, job.pixels["eval"]),
        presets=presets,
        optimizers=(presets[0].settings.optimizer, "adamw"),
        batches=(2, 4, 8),
        initialisations=(PRETRAINED, RANDOM) if has_weights else (PRETRAINED,),
        device=f"{job.accelerator.device}, torch {torch.__version__}",
        notes=tuple(job.splits.notes),
    )


def _images(job: Job, split: Split, pixels: Pixels) -> tuple[SceneImage, ...]:
    return tuple(
        SceneImage(name, label, _thumbnail(job, pixels, index))
        for index, (name, label) in enumerate(zip(split.names, split.labels, strict=True))
    )


def _thumbnail(job: Job, pixels: Pixels, index: int) -> str:
    crop = center_crop(pixels(index), job.preprocessing.size)
    image = Image.fromarray(crop.permute(1, 2, 0).squeeze(-1).numpy())
    image.thumbnail((96, 96))
    image.save(file := BytesIO(), "JPEG", quality=80)
    return b64encode(file.getvalue()).decode()
