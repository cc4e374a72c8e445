"""Everything that a check finds out about the images of a job."""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from tlf.checks.appearances import Appearances, look_at
from tlf.checks.findings import (
    Duplicates,
    Findings,
    ImageRef,
    Inseparable,
    LabelSuspect,
    OddSize,
)
from tlf.checks.inseparable import find_inseparable
from tlf.checks.label_suspects import find_suspects
from tlf.checks.near_duplicates import find_duplicates
from tlf.checks.neighbours import directions, nearest
from tlf.checks.odd_sizes import find_odd_sizes
from tlf.checks.probe import FOLDS, out_of_fold
from tlf.data.splits import listed
from tlf.errors import NotFiniteError
from tlf.events import Prepared
from tlf.training.embeddings import Embeddings
from tlf.training.job import Job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

_NEIGHBOURS = 3
"""How many images are shown beside one whose label looks wrong."""
_SEED = 0
"""What the folds of the probe are drawn from: the same images always give the same findings."""


def find(job: Job, embeddings: Embeddings) -> Generator[Prepared, None, Findings]:
    """Find out about the images of both splits of a job; their files are left as they are.

    Every file is read once more, for its hash, its size and a small image; yields how far that is.
    Unreadable images are not among those of a job; who has read them knows them. All processes have
    to call this.

    Parameters:
        job: its images are found and read.
        embeddings: of its images.

    Raises:
        NotFiniteError: an embedding is not a finite number.
        DataError, OSError: an image can no longer be read.
    """
    import numpy as np
    import torch

    both = torch.cat([embeddings.train, embeddings.eval])
    _check_finite(job, both)
    appearances = yield from look_at(job)
    images = _images(job)
    labels = np.array([*job.splits.train.labels, *job.splits.eval.labels], np.int64)
    rows = directions(both).to(job.accelerator.device)
    groups = find_duplicates(appearances, rows)
    of_group = np.arange(len(images))
    for group in groups:
        of_group[list(group.images)] = group.images[0]
    suspects, inseparable, notes = _by_probe(job, images, labels, rows, of_group)
    return Findings(
        images={"train": len(job.splits.train), "eval": len(job.splits.eval)},
        class_counts=_class_counts(job),
        duplicates=tuple(
            Duplicates(tuple(images[i] for i in group.images), group.exact, group.similarity)
            for group in groups
        ),
        suspects=suspects,
        inseparable=inseparable,
        odd_sizes=tuple(
            OddSize(images[odd.image], *_size(appearances, odd.image), odd.why)
            for odd in find_odd_sizes(appearances.sizes)
        ),
        notes=notes,
    )


def _by_probe(
    job: Job,
    images: tuple[ImageRef, ...],
    labels: "NDArray[np.int64]",
    rows: "Tensor",
    groups: "NDArray[np.int64]",
) -> tuple[tuple[LabelSuspect, ...], tuple[Inseparable, ...], tuple[str, ...]]:
    """What a probe finds among the classes that have enough images for it, and why others are left
    out.
    """
    import numpy as np

    classes = job.splits.classes
    pictures = [len(np.unique(groups[labels == each])) for each in range(len(classes))]
    large = np.flatnonzero(np.array(pictures) >= FOLDS)
    notes = _left_out(classes, pictures)
    if len(large) < 2:
        return (), (), notes
    judged = np.flatnonzero(np.isin(labels, large))
    known = np.searchsorted(large, labels[judged])
    probabilities = out_of_fold(rows.cpu().numpy()[judged], known, groups[judged], _SEED)
    names = [classes[each] for each in large]
    found = find_suspects(probabilities, known)
    positions = judged[[suspect.image for suspect in found]]
    suspects = tuple(
        LabelSuspect(
            image=images[position],
            proposed=names[suspect.proposed],
            own_probability=suspect.own_probability,
            proposed_probability=suspect.proposed_probability,
            neighbours=tuple(images[i] for i in near),
        )
        for suspect, position, near in zip(
            found, positions, nearest(rows, _NEIGHBOURS, of=positions), strict=True
        )
    )
    pairs = tuple(
        Inseparable((names[pair.classes[0]], names[pair.classes[1]]), pair.error, pair.images)
        for pair in find_inseparable(probabilities, known)
    )
    return suspects, pairs, notes


def _left_out(classes: Sequence[str], pictures: Sequence[int]) -> tuple[str, ...]:
    """A sentence about the classes that no probe can learn."""
    small = [name for name, count in zip(classes, pictures, strict=True) if count < FOLDS]
    if not small:
        return ()
    return (
        f"labels of {listed(small, 3)} were not judged: a class needs {FOLDS} different images",
    )


def _images(job: Job) -> tuple[ImageRef, ...]:
    """The images of both splits, train first."""
    return tuple(
        ImageRef(name, index, split.names[index], job.task.names(label, job.splits.classes))
        for name, split in (("train", job.splits.train), ("eval", job.splits.eval))
        for index, label in enumerate(split.labels)
    )


def _class_counts(job: Job) -> dict[str, dict[str, int]]:
    """Split → class → images."""
    classes = job.splits.classes
    splits = {"train": job.splits.train, "eval": job.splits.eval}
    counts = {
        name: job.task.class_counts(split.labels, len(classes)) for name, split in splits.items()
    }
    return {name: dict(zip(classes, each, strict=True)) for name, each in counts.items()}


def _size(appearances: Appearances, image: int) -> tuple[int, int]:
    width, height = appearances.sizes[image].tolist()
    return width, height


def _check_finite(job: Job, embeddings: "Tensor") -> None:
    """Check that images can be compared.

    Raises:
        NotFiniteError: names the first image of which they cannot.
    """
    finite = embeddings.isfinite().all(1)
    if finite.all():
        return
    names = (*job.splits.train.names, *job.splits.eval.names)
    first = names[int((~finite).nonzero()[0])]
    raise NotFiniteError(
        f"the backbone's features must be finite numbers, got others for {int((~finite).sum())} of "
        f"{len(names)} images, the first of which is {first!r}; write other weights or "
        'precision = "no"'
    )
