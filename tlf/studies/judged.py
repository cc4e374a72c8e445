"""The images that a study judges by, and how they are dealt to folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlf.checks.probe import FOLDS, deal_folds, together
from tlf.components import Split
from tlf.data.listing.compact import Groups
from tlf.errors import DataError
from tlf.inference.metadata import read_metadata
from tlf.metrics.figures import Figure
from tlf.metrics.groups import count
from tlf.metrics.paired import over_splits
from tlf.metrics.text import groups_sentence
from tlf.recipe.paths import starting_runs
from tlf.runs.folder import read_provenance
from tlf.studies.accuracy import accuracy_of
from tlf.tasks import DEFAULT, TASKS, Task
from tlf.training.job import Job

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Judged:
    """The images that probes are judged on, and how they are dealt to folds."""

    task: Task
    images: "Integers"
    """(N,), their indices in the train split."""
    labels: "NDArray[Any]"
    """(N, …), as the task's ``array`` gives them, of the classes that are judged."""
    classes: tuple[str, ...]
    among: tuple[int, ...]
    """The indices of these classes in the train split."""
    strata: "Integers"
    """(N,), from 0: of each stratum, the same part is in every fold. It is the class of an image,
    or the rarest of its classes."""
    large: tuple[int, ...]
    """Strata of enough different images for every fold: where an image has one class, all."""
    folds: "Integers"
    """(repeats, N)."""
    left_out: Mapping[str, int]
    """Class with too few images → its different images."""
    groups: "Integers | None" = None
    """(N,): the same number for images that count as one draw: equal files, and images of one
    ``data.group``; None: each is a picture of its own."""
    notes: tuple[str, ...] = ()
    """What intervals are about, where images are in groups."""

    @property
    def counts(self) -> list[int]:
        """How many images have each class."""
        return [int(self.task.having(self.labels, k).sum()) for k in range(len(self.classes))]


def judged_images(
    labels: Sequence[Any],
    groups: "Integers",
    classes: Sequence[str],
    seed: int,
    repeats: int,
    task: Task = TASKS[DEFAULT],
) -> Judged:
    """Deal the images of all classes that have enough of them.

    Parameters:
        labels: of the train split.
        groups: (N,), the number of a group that has to be in one fold: equal files, and images of
            one ``data.group``.
        classes: the names of the classes.
        seed: what the folds are drawn from.
        repeats: so many times the images are dealt to folds.
        task: what labels are.

    Raises:
        DataError: fewer than two classes have enough images.
    """
    known = task.array(labels, len(classes))
    different = [len(np.unique(groups[task.having(known, k)])) for k in range(len(classes))]
    large = [k for k, count in enumerate(different) if count >= FOLDS]
    if len(large) < 2:
        counts = ", ".join(f"{n} of {name!r}" for name, n in zip(classes, different, strict=True))
        raise DataError(
            f"a study needs at least 2 classes with {FOLDS} different train images each, one for "
            f"each fold, got {counts:.300}; add images (equal files count once, and so do the "
            "images of one data.group)"
        )
    own = task.among(labels, large)
    images, kept = np.array([*own], dtype=np.int64), [*own.values()]
    strata, folds = _dealt(task, kept, groups[images], seed, repeats)
    enough = [n for n in range(strata.max() + 1)
              if len(np.unique(groups[images[strata == n]])) >= FOLDS]  # fmt: skip
    return Judged(
        task=task,
        images=images,
        labels=task.array(kept, len(large)),
        classes=tuple(classes[n] for n in large),
        among=tuple(large),
        strata=strata,
        large=tuple(enough),
        folds=folds,
        left_out={classes[n]: count for n, count in enumerate(different) if count < FOLDS},
    )


def _dealt(
    task: Task, labels: Sequence[Any], groups: "Integers", seed: int, repeats: int
) -> "tuple[Integers, Integers]":
    """The stratum of each image (N,), and its fold in each way to deal (repeats, N).

    Images of a stratum with the same labels follow each other: folds get as many of them, too.
    """
    _, strata = np.unique(np.array(task.strata(labels)), return_inverse=True)
    pairs = [*zip(strata.tolist(), labels, strict=True)]
    numbers = {pair: number for number, pair in enumerate(sorted({*pairs}))}
    order = np.array([numbers[pair] for pair in pairs])
    return strata, np.stack([deal_folds(order, groups, seed + number) for number in range(repeats)])


def judged_split(
    split: Split, classes: Sequence[str], seed: int, repeats: int, task: Task
) -> Judged:
    """The same of a split. Its equal files are dealt together and count as one draw, and so do
    images of one group.

    Raises:
        DataError: fewer than two classes have enough images.
    """
    files = equal_files(split)
    judged = judged_images(split.labels, files, classes, seed, repeats, task)
    groups = files[judged.images]
    if split.groups is not None:
        note = groups_sentence(count(groups)).rstrip(".")
    elif count(groups) < len(groups):
        note = (
            f"the {len(groups):,} images are {count(groups):,} different ones, as equal files are "
            "one: intervals are about other images like these"
        )
    else:
        return judged
    return replace(judged, groups=groups, notes=(note,))


@dataclass(frozen=True)
class StudyImages:
    """The train images of a study."""

    judged: Judged
    manifest: str
    """SHA-256 over their names, labels and bytes."""
    notes: tuple[str, ...]


def seen_before(job: Job, *, head: bool = False) -> tuple[str, ...]:
    """Why figures of held-out images may be too high: the weights are those of a run, which may
    have been trained on them. ``head``: whether the head of ``start_from`` is used, too.
    """
    notes = []
    for key, folder in starting_runs(job.recipe).items():
        about = read_provenance(folder)
        if _kept_backbone(folder, about) and not (head and key == "start_from"):
            continue
        earlier = about.get("data_sha256") or {}
        same = earlier.get("train") == job.manifests["train"]
        seen = "was trained on these very images" if same else "may have been trained on these"
        notes.append(
            f"training starts from the run {folder}, which {seen}: what is held out here may not "
            "be new to its weights, and figures are then too high"
        )
    return tuple(notes)


def _kept_backbone(folder: Path, about: Mapping[str, Any]) -> bool:
    """Whether a run has left the backbone as it was, which had come from no run."""
    start = about.get("backbone_sha256")
    own = read_metadata(folder / "model.safetensors").backbone["sha256"]
    return own == start and not about.get("started_from")


def study_images(job: Job, repeats: int) -> StudyImages:
    """The images that probes are judged on, dealt to folds so many times.

    Raises:
        DataError: there are too few.
    """
    train, recipe = job.splits.train, job.recipe
    judged = judged_split(train, job.splits.classes, recipe.seed, repeats, job.task)
    notes = [*job.splits.notes, *judged.notes]
    for name, number in judged.left_out.items():
        notes.append(
            f"class {name!r} was left out: it has {number} of the {FOLDS} different train images "
            "that folds need"
        )
    return StudyImages(judged, job.manifests["train"], tuple(notes))


def equal_files(split: Split) -> "Integers":
    """A number for each image (N,): the same for images with the same bytes, and for images of one
    group.
    """
    first: dict[bytes, int] = {}
    digests = (sha256(split.read(index)).digest() for index in range(len(split)))
    files = np.array([first.setdefault(digest, index) for index, digest in enumerate(digests)])
    if split.groups is None:
        return files
    return together(files, np.asarray(Groups(split.groups).numbers))


def held_out_accuracy(
    right: "NDArray[np.float64]",
    folds: "Integers",
    groups: "Integers | None",
    saying: "NDArray[np.bool_] | None" = None,
) -> Figure:
    """How often probes were right, or another main metric. Its interval is that of the difference
    from never.

    Parameters:
        right: (repeats, N), what each image counts: whether it was classified correctly, for
            example.
        folds: (repeats, N), the fold that held each image out.
        groups: (N,), the same number for images that count as one draw; None: each is one.
        saying: (N,), which images say it, where all are right or none is: so many of them, or of
            their groups, does the limit know. None: all.
    """
    found = over_splits(np.zeros_like(right), right, folds, groups)
    if saying is not None:
        known = None if groups is None else count(groups[saying])
        found = replace(found, images=int(saying.sum()), groups=known)
    return accuracy_of(found)
