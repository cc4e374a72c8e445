"""Would more images help? Probes of the same features, trained on more and more of the images."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tlf.checks.plan import plan_to_check
from tlf.data.workers import lost_processes_named
from tlf.events import Notice, Prepared, Stored
from tlf.metrics.class_counts import defined_mean
from tlf.metrics.paired import over_splits
from tlf.metrics.resampling import LEVEL
from tlf.plugins.attribution import blame_packages
from tlf.recipe.plan import RecipeLike, find_splits
from tlf.runtime.cores import check_alone
from tlf.runtime.devices import describe, start_accelerator
from tlf.runtime.seeds import derive
from tlf.studies.backbones import plans_of
from tlf.studies.judged import Judged, StudyImages, held_out_accuracy, seen_before, study_images
from tlf.studies.learning_curve.draws import DEALS, Draw, check_sizes, draws_of, sizes_of
from tlf.studies.learning_curve.fan import fan_of
from tlf.studies.learning_curve.learning_curve import ClassCurve, LearningCurve, Size
from tlf.studies.learning_curve.size_probes import probe_sizes
from tlf.studies.linear_probe import check_finite
from tlf.training.embeddings import train_embeddings
from tlf.training.job import Job, kernels_of, open_job, read_images

if TYPE_CHECKING:
    from numpy.typing import NDArray

CurveEvent = Prepared | Notice | Stored | LearningCurve


def curve(
    recipe: RecipeLike, overrides: Sequence[str] = (), *, sizes: Sequence[int] = ()
) -> Iterator[CurveEvent]:
    """Find out whether more images would help. Yields events, and at last a ``LearningCurve``.
    Nothing is trained but linear probes, and nothing is written but the cache.

    The features of the train split are computed once with the recipe's backbone. Probes are trained
    on more and more of them, and judged on images that they have not seen: ten draws, each with the
    same held-out images for all sizes. A fan of power laws says what up to four times as many
    images may give.

    Parameters:
        recipe: the path of a recipe, or of a folder with a folder of images for each class; or the
            result of ``load_recipe``.
        overrides: ``key=value``, as on the command line.
        sizes: train images of each class, on average; classes keep their shares. Empty: six sizes,
            up to all that folds leave.

    Raises:
        TlfError: no images are found, there are too few, or the backbone cannot be built.
        MemoryError, RuntimeError: Python's or torch's own error about too little memory.
    """
    check_sizes(sizes)
    check_alone("a study")
    base = plan_to_check(recipe, overrides, "curve")
    ((name, plan),) = plans_of(base, ()).items()
    plan = replace(plan, splits=find_splits(base))
    kernels = kernels_of(base.recipe)
    kernels.reserve()
    accelerator = start_accelerator(base.recipe.precision)
    with (
        lost_processes_named("run tlf curve again"),
        kernels.used_on(accelerator.device),
        blame_packages(plan.plugins.packages),
    ):
        opened = open_job(plan, accelerator)
        job = yield from read_images(opened, may_lose_classes=True, used=("train",))
        images = study_images(job, DEALS)
        images = replace(images, notes=(*images.notes, *seen_before(job)))
        yield from map(Notice, images.notes)
        yield (yield from _measured(job, images, name, sizes))


def _measured(
    job: Job, images: StudyImages, name: str, asked: Sequence[int]
) -> Generator[Prepared | Notice | Stored, None, LearningCurve]:
    """Probe all sizes of all draws."""
    judged, seed = images.judged, job.recipe.seed
    draws = draws_of(judged, derive(seed, "learning curve"))
    sizes = sizes_of(asked, draws, judged)
    with job.loaders:
        rows = (yield from train_embeddings(job)).numpy()
    check_finite(name, rows)
    every: list[NDArray[np.float64]] = []
    for one in probe_sizes(rows[judged.images], judged, draws, sizes):
        every.append(one)
        yield Prepared(f"probes of {len(sizes)} sizes", len(every), len(draws))
    shares = np.empty((len(sizes), DEALS, len(judged.images), every[0].shape[2]), np.float64)
    for draw, one in zip(draws, every, strict=True):
        shares[:, draw.deal, draw.held_out] = one
    return _result(job, images, name, draws, sizes, shares)


def _result(
    job: Job,
    images: StudyImages,
    name: str,
    draws: Sequence[Draw],
    sizes: Sequence[int],
    shares: "NDArray[np.float64]",
) -> LearningCurve:
    """``shares``: what each image counts at each size and deal, class by class (S, DEALS, N, C)."""
    judged, seed = images.judged, job.recipe.seed
    right = defined_mean(shares)
    half = max((n for n, size in enumerate(sizes) if 2 * size <= sizes[-1] + 1), default=0)
    of_draws = [right[:, draw.deal, draw.held_out].mean(1).tolist() for draw in draws]
    return LearningCurve(
        source=job.plan.source,
        backbone=name,
        images=len(judged.images),
        sizes=tuple(
            Size(size, held_out_accuracy(one, judged.folds, judged.groups), each)
            for size, one, each in zip(sizes, right, zip(*of_draws, strict=True), strict=True)
        ),
        classes=_classes(judged, draws[0], sizes, half, shares),
        gain_from=sizes[half],
        gain=over_splits(right[half], right[-1], judged.folds, judged.groups),
        fan=fan_of(sizes, right, judged.folds, derive(seed, "fan"), judged.groups),
        draws=len(draws),
        seed=seed,
        level=_level(judged),
        device=describe(job.accelerator),
        notes=images.notes,
        task=job.recipe.task,
    )


def _level(judged: Judged) -> float:
    """Intervals of so many classes hold together in 95 % (Bonferroni)."""
    return 1 - (1 - LEVEL) / len(judged.classes)


def _classes(
    judged: Judged, draw: Draw, sizes: Sequence[int], half: int, shares: "NDArray[np.float64]"
) -> tuple[ClassCurve, ...]:
    """The curve of each class, the one that gains most first."""
    found = []
    for number, name in enumerate(judged.classes):
        own, seen = judged.task.of_classes(shares, judged.labels, number)
        folds = judged.folds[:, own]
        groups = None if judged.groups is None else judged.groups[own]
        having = judged.task.having(judged.labels, number)
        trained = np.cumsum(having[draw.train])
        found.append(
            ClassCurve(
                name=name,
                images=int(having.sum()),
                trained_on=tuple(int(trained[size - 1]) for size in sizes),
                recalls=tuple(seen.mean((1, 2)).tolist()),
                recall=held_out_accuracy(seen[-1], folds, groups, having[own]),
                gain=over_splits(seen[half], seen[-1], folds, groups, level=_level(judged)),
            )
        )
    return tuple(sorted(found, key=lambda one: -one.gain.value))
