"""Which backbone suits the images? Probes of the features of each, on the same folds."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tlf.checks.plan import plan_to_check
from tlf.checks.probe import FOLDS
from tlf.components import Splits
from tlf.data.workers import lost_processes_named
from tlf.errors import (
    DataError,
    PluginError,
    RecipeError,
    WeightsError,
    itemized,
)
from tlf.events import Notice, Prepared, Stored
from tlf.metrics.figures import Figure
from tlf.metrics.paired import joint_level, over_splits
from tlf.plugins.attribution import blame_packages
from tlf.recipe.backbone_names import BackboneLike
from tlf.recipe.plan import Plan, RecipeLike, find_splits
from tlf.recipe.tables import table, titled
from tlf.runtime.cores import check_alone
from tlf.runtime.devices import describe, start_accelerator
from tlf.studies.backbones import plans_of
from tlf.studies.judged import Judged, StudyImages, held_out_accuracy, seen_before, study_images
from tlf.studies.linear_probe import check_finite, compact
from tlf.studies.probe.cost import cost_of
from tlf.studies.probe.probed import FailedBackbone, Probed, ProbedBackbone, StageProbed
from tlf.studies.probe.probing import PROBES, probe_rows, repeats_of
from tlf.studies.probe.stage_outputs import stage_outputs
from tlf.training.embeddings import train_embeddings
from tlf.training.job import Job, kernels_of, open_job, read_images

if TYPE_CHECKING:
    from accelerate import Accelerator
    from numpy.typing import NDArray

ProbeEvent = Prepared | Notice | Stored | Probed


def probe(
    recipe: RecipeLike,
    backbones: Sequence[BackboneLike] = (),
    overrides: Sequence[str] = (),
    *,
    stages: bool = False,
) -> Iterator[ProbeEvent]:
    """Find out which backbone suits the images of a recipe or of a folder. Yields events, and at
    last a ``Probed``. Nothing is trained but linear probes, and nothing is written but the cache.

    The features of the train split are computed once with each backbone. Linear probes of them are
    judged on images that they have not seen, by repeated stratified folds.

    Parameters:
        recipe: the path of a recipe, or of a folder with a folder of images for each class; or the
            result of ``load_recipe``.
        backbones: ``"timm/resnet18@a1_in1k"``, ``"torchvision/resnet18@my/weights.pth"``,
            ``"plugin:kind"``, the path of a recipe, whose backbone it is; a table as ``[backbone]``
            has it; or a component. Empty: the recipe's own.
        overrides: ``key=value``, as on the command line.
        stages: also probe the pooled output of every stage.

    Raises:
        TlfError: no images are found, there are too few, or no backbone can be built.
        MemoryError, RuntimeError: Python's or torch's own error about too little memory.
    """
    check_alone("a study")
    base = plan_to_check(recipe, overrides, "probe")
    plans, splits = plans_of(base, backbones), find_splits(base)
    kernels = kernels_of(base.recipe)
    kernels.reserve()
    accelerator = start_accelerator(base.recipe.precision)
    with lost_processes_named("probe again"), kernels.used_on(accelerator.device):
        yield from _compared(base, splits, plans, accelerator, stages)


def _compared(
    base: Plan,
    splits: Splits,
    plans: Mapping[str, Plan],
    accelerator: "Accelerator",
    stages: bool,
) -> Iterator[ProbeEvent]:
    """Probe one backbone after the other, and compare them."""
    found: list[_Right] = []
    failed: list[FailedBackbone] = []
    seen: list[str] = []
    images: StudyImages | None = None
    before: tuple[Job, ...] = ()
    for name, plan in plans.items():
        job = _opened(name, replace(plan, splits=splits), accelerator)
        if isinstance(job, FailedBackbone):
            failed.append(job)
            yield Notice(f"{job.name} was not probed: {job.why}")
            continue
        with blame_packages(plan.plugins.packages):
            job = yield from read_images(job, before, may_lose_classes=True, used=("train",))
            before = (job,)
            if images is None:
                images = study_images(job, repeats_of(len(job.splits.train)))
                yield from map(Notice, images.notes)
            for note in seen_before(job):
                yield Notice(f"{name}: {note}")
                seen.append(f"{name}: {note}")
            found.append((yield from _probed(name, job, images, stages)))
    if images is None:
        raise DataError(_none_loaded(failed))
    yield _result(base, accelerator, images.judged, found, failed, (*images.notes, *seen))


@dataclass(frozen=True)
class _Right:
    """A backbone, and what images count for its best-known probe: (repeats, N)."""

    backbone: ProbedBackbone
    right: "NDArray[np.float64]"


def _opened(name: str, plan: Plan, accelerator: "Accelerator") -> Job | FailedBackbone:
    """The job of a backbone, or why it cannot be loaded: without a network, for example."""
    try:
        return open_job(plan, accelerator)
    except (WeightsError, PluginError, RecipeError) as error:
        problems = error.problems if isinstance(error, RecipeError) else [str(error)]
        return FailedBackbone(name, "; ".join(problems))


def _none_loaded(failed: Sequence[FailedBackbone]) -> str:
    reasons = [f"{one.name}: {one.why}" for one in failed]
    return itemized("--backbones must name one that can be loaded, got none", reasons)


def _probed(
    name: str, job: Job, images: StudyImages, stages: bool
) -> Generator[Prepared | Notice | Stored, None, _Right]:
    """Probe the features of a backbone, and with ``stages`` the output of each stage.

    Raises:
        DataError: images have changed since the first backbone saw them.
        NotFiniteError: its features are no finite numbers.
    """
    if job.manifests["train"] != images.manifest:
        raise DataError("train images have changed while backbones were probed; probe again")
    outputs: Mapping[str, NDArray[np.float32]] = {}
    with job.loaders:
        if stages:
            outputs = yield from stage_outputs(job)
            rows = [*outputs.values()][-1]  # the features
        else:
            rows = (yield from train_embeddings(job)).numpy()
    right = yield from _right(name, rows, images.judged, PROBES)
    every = []
    for stage, output in outputs.items():
        seen = right
        if output is not rows:
            seen = yield from _right(f"{name}, {stage}", output, images.judged, PROBES[:1])
        accuracy = _accuracy(seen[PROBES[0]], images.judged)
        every.append(StageProbed(stage, output.shape[1], accuracy))
    cost = cost_of(job)
    catalogue = job.plan.plugins.catalogue
    backbone = ProbedBackbone(
        name=name,
        backbone=titled(table(job.recipe, catalogue)["backbone"]),
        accuracy={kind: _accuracy(one, images.judged) for kind, one in right.items()},
        features=rows.shape[1],
        parameters=cost.parameters,
        megabytes=cost.megabytes,
        seconds=cost.seconds,
        stages=tuple(every),
    )
    return _Right(backbone, right[PROBES[0]])


def _accuracy(right: "NDArray[np.float64]", judged: Judged) -> Figure:
    return held_out_accuracy(right, judged.folds, judged.groups)


def _right(
    name: str, rows: "NDArray[np.float32]", judged: Judged, kinds: Sequence[str]
) -> "Generator[Prepared, None, dict[str, NDArray[np.float64]]]":
    """Kind → what each image counted for its probes when it was held out: (repeats, N)."""
    check_finite(name, rows)
    points = compact(rows[judged.images])
    every: dict[str, NDArray[np.float64]] = {}
    for kind in kinds:
        found: list[NDArray[np.float64]] = []
        for right in probe_rows(points, judged, kind):
            found.append(right)
            yield Prepared(f"{kind} probes of {name}", len(found), len(judged.folds))
        every[kind] = np.stack(found)
    return every


def _result(
    plan: Plan,
    accelerator: "Accelerator",
    judged: Judged,
    found: Sequence[_Right],
    failed: Sequence[FailedBackbone],
    notes: tuple[str, ...],
) -> Probed:
    """All backbones, the best first, each compared with the best."""
    best, *others = sorted(found, key=lambda one: -one.right.mean())
    level, dealt = joint_level(len(found)), (judged.folds, judged.groups)
    compared = [
        replace(one.backbone, behind=over_splits(best.right, one.right, *dealt, level=level))
        for one in others
    ]
    return Probed(
        source=plan.source,
        images=len(judged.images),
        class_counts=dict(zip(judged.classes, judged.counts, strict=True)),
        folds=FOLDS,
        repeats=len(judged.folds),
        seed=plan.recipe.seed,
        level=level,
        device=describe(accelerator),
        backbones=(best.backbone, *compared),
        failed=tuple(failed),
        notes=notes,
        task=plan.recipe.task,
    )
