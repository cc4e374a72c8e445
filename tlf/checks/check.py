"""Check a set of images before anything trains on it."""

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from hashlib import sha256
from importlib.metadata import version

from tlf.cache.arithmetic import computed
from tlf.cache.entry import EntryKey
from tlf.cache.find_or_compute import find as find_entry
from tlf.cache.keys import engine
from tlf.checks.checked import Checked
from tlf.checks.find import find
from tlf.checks.findings import Findings, read_findings
from tlf.checks.plan import plan_to_check
from tlf.data.decode import decoders
from tlf.data.workers import lost_processes_named
from tlf.events import Notice, Prepared, Stored
from tlf.plugins.attribution import blame_packages
from tlf.recipe.plan import Plan, RecipeLike
from tlf.recipe.tables import table
from tlf.runtime.cores import check_alone
from tlf.runtime.devices import start_accelerator
from tlf.runtime.strict_json import dumps
from tlf.training.embeddings import Embeddings, embeddings
from tlf.training.job import Job, kernels_of, open_job, read_images

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
            findings = yield from findings_of(job, (yield from embeddings(job)))
    yield Checked(
        plan.source, described_backbone(plan), findings, job.splits, job.unreadable, notes
    )


def findings_of(job: Job, embedded: Embeddings) -> Generator[Prepared | Stored, None, Findings]:
    """What a check of a job's images finds, also where it is no check of its own: in a report.

    It is stored, so that the same images are not compared again.

    Parameters:
        job: the job; its images are read.
        embedded: their embeddings.
    """
    found = yield from _found(job, embedded)
    unreadable = tuple((image.split, image.name, image.why) for image in job.unreadable)
    return replace(found, unreadable=unreadable)


def _found(job: Job, embedded: Embeddings) -> Generator[Prepared | Stored, None, Findings]:
    if job.cache is None or not job.manifests:
        return (yield from find(job, embedded))
    key = _key(job, embedded)
    if entry := find_entry(job.accelerator, job.cache, key, lambda entry: entry.bytes > 0):
        yield Stored(key.title, entry.bytes, reused=True)
        return read_findings(json.loads(entry.read(0, entry.bytes).tobytes()))
    found = yield from find(job, embedded)
    data = dumps(asdict(found)).encode()
    if job.accelerator.is_main_process:
        with suppress(OSError):  # what there is no room for is found again next time
            job.cache.store(key, data)
            yield Stored(key.title, len(data), reused=False)
    return found


def _key(job: Job, embedded: Embeddings) -> EntryKey:
    """Everything that the findings depend on."""
    rows = (embedded.train, embedded.eval)
    depends = {
        "images": dict(job.manifests),
        "classes": [*job.splits.classes],
        "embeddings": [sha256(each.contiguous().numpy().data).hexdigest() for each in rows],
        "preprocessing": asdict(job.preprocessing),
        "computed": computed(job.accelerator),
        "decoders": decoders(),
        "versions": {name: version(name) for name in ("torch", "numpy", "scipy", "scikit-learn")},
        "tlf": engine(),
    }
    images = len(job.splits.train) + len(job.splits.eval)
    return EntryKey("findings", f"findings of a check of {images} images", depends)


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
