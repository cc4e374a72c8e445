"""Check a set of images before anything trains on it."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from tlf.checks.checked import Checked
from tlf.checks.find import findings_of
from tlf.checks.plan import plan_to_check
from tlf.data.decoding.arrays import shown
from tlf.data.embedded import EmbeddedSplits
from tlf.data.loading import Pixels
from tlf.data.workers import lost_processes_named
from tlf.events import Notice, Prepared, Stored
from tlf.plugins.attribution import blame_packages
from tlf.recipe.plan import Plan, RecipeLike
from tlf.recipe.tables import table
from tlf.runtime.cores import check_alone
from tlf.runtime.devices import start_accelerator
from tlf.training.embeddings import Embeddings, embeddings
from tlf.training.job import Job, kernels_of, open_job, read_images

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CheckEvent = Prepared | Notice | Stored | Checked

_PLAIN = ("none", "starter")
"""Weights that have seen no photograph."""


def check(recipe: RecipeLike, overrides: Sequence[str] = ()) -> Iterator[CheckEvent]:
    """Look for faults in the images of a recipe or of a folder: unreadable files, odd sizes,
    duplicates, images that both splits share, labels that look wrong, classes that can hardly be
    told apart. Yields events, and at last what it has found. Nothing is trained or written, and no
    fault of an image stops it.

    Parameters:
        recipe: the path of a recipe, or of a folder with a folder of images for each class; or the
            result of ``load_recipe``.
        overrides: ``key=value``, as on the command line: ``backbone.weights=IMAGENET1K_V1``.

    Raises:
        TlfError: no images are found, a split has no readable image, or the backbone cannot be
            built.
        MemoryError, RuntimeError: Python's or torch's own error about too little memory.
    """
    check_alone("a check")
    plan = plan_to_check(recipe, overrides)
    kernels = kernels_of(plan.recipe)
    kernels.reserve()
    found = open_job(plan, start_accelerator(plan.recipe.precision))
    notes = (*found.splits.notes, *found.notes, *_about_weights(plan))
    yield from map(Notice, notes)
    with (
        lost_processes_named("check again"),
        blame_packages(plan.plugins.packages),
        kernels.used_on(found.accelerator.device),
    ):
        job = yield from read_images(found, may_lose_classes=True)
        with job.loaders:
            embedded = embedded_splits(job, (yield from embeddings(job)))
            findings = yield from findings_of(embedded, job.cache)
    yield Checked(
        plan.source, described_backbone(plan), findings, job.splits, job.unreadable, notes
    )


def embedded_splits(job: Job, found: Embeddings) -> EmbeddedSplits:
    """The images of a job, and their embeddings, as they are compared."""
    return EmbeddedSplits(
        splits=job.splits,
        task=job.task,
        train=found.train.numpy(),
        eval=found.eval.numpy(),
        pixels={name: partial(_array, job.pixels[name]) for name in ("train", "eval")},
        preprocessing=asdict(job.preprocessing),
        manifests=job.manifests,
        unreadable=job.unreadable,
    )


def _array(pixels: Pixels, index: int) -> "NDArray[np.uint8]":
    """An image (C, H, W) as a person sees it: grey or RGB, in 8 bits."""
    return shown(pixels(index).numpy().transpose(1, 2, 0)).transpose(2, 0, 1)


def described_backbone(plan: Plan) -> str:
    """The architecture and the weights of a recipe, for a person.

    >>> from tlf.checks.plan import plan_to_check
    >>> described_backbone(plan_to_check("recipes/resnet18_finetune.toml"))
    'torchvision resnet18, weights starter'
    """
    backbone, catalogue = plan.recipe.backbone, plan.plugins.catalogue
    options = table(backbone, catalogue)
    shown = [f"weights {options['weights']}"] if options.get("weights") else []
    architecture = f"{catalogue.offer(backbone).kind} {options.get('model', '')}".strip()
    return ", ".join([architecture, *shown])


def _about_weights(plan: Plan) -> Iterator[str]:
    if (weights := getattr(plan.recipe.backbone, "weights", None)) in _PLAIN:
        yield (
            f"weights {weights!r} have seen no photographs, so expect false alarms; "
            "for photographs, write backbone.weights=IMAGENET1K_V1, or the file of such weights"
        )
