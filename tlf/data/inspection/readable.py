"""What follows from the inspection of every image: which are left out, which stop the run, and
which are in both splits.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal

from tlf.components import Split, Splits
from tlf.errors import DataError
from tlf.tasks import Task

BadImages = Literal["error", "skip"]
"""What an unreadable image does: it stops the run, or is left out."""

_MOST_NAMED = 20
"""How many images a message names at most."""


@dataclass(frozen=True)
class Inspection:
    """What was found out about the images of a split."""

    digests: Sequence[bytes]
    """SHA-256 of each image's bytes; empty where it could not be read."""
    reasons: Mapping[int, str]
    """Index of an unreadable image → why it cannot be read."""

    @property
    def readable(self) -> tuple[int, ...]:
        """Indices of the images that can be read."""
        return tuple(i for i in range(len(self.digests)) if i not in self.reasons)


@dataclass(frozen=True)
class Checked:
    """Two splits in which every image can be read."""

    splits: Splits
    manifests: Mapping[str, str]
    """``train`` and ``eval`` → SHA-256 over the names, labels and bytes of their images."""


@dataclass(frozen=True)
class ReadSubset:
    """Reads some of the images of a split. Picklable where the split is."""

    split: Split
    indices: Sequence[int]

    def __call__(self, index: int) -> bytes:
        """The bytes of one image."""
        return self.split.read(self.indices[index])


def check_splits(
    splits: Splits, bad_images: BadImages, task: Task, inspections: Mapping[str, Inspection]
) -> Checked:
    """Keep the readable images of both splits, by the inspections of ``train`` and ``eval``.

    An unreadable image is an error or is left out; it is never replaced by another.

    Raises:
        DataError: names every image that cannot be read, or a class that has none left.
    """
    problems, notes = [], list(splits.notes)
    kept: dict[str, Split] = {}
    for name, split in (("train", splits.train), ("eval", splits.eval)):
        inspection = inspections[name]
        try:
            kept[name], left_out = _keep(split, inspection, bad_images, name, splits.classes, task)
            notes += left_out
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    train, evaluated = inspections["train"], inspections["eval"]
    notes += _in_both(splits.train, train.digests, splits.eval, evaluated.digests)
    kept_splits = replace(splits, train=kept["train"], eval=kept["eval"], notes=tuple(notes))
    manifests = {
        "train": manifest(splits.train, train),
        "eval": manifest(splits.eval, evaluated),
    }
    return Checked(kept_splits, manifests)


def manifest(split: Split, inspection: Inspection) -> str:
    """SHA-256 over every readable image's name, label and bytes, in order."""
    total = sha256()
    for index in inspection.readable:
        digest = inspection.digests[index].hex()
        total.update(f"{split.names[index]}\t{split.labels[index]}\t{digest}\n".encode())
    return total.hexdigest()


def _keep(
    split: Split,
    inspection: Inspection,
    bad_images: BadImages,
    split_name: str,
    classes: Sequence[str],
    task: Task,
) -> tuple[Split, tuple[str, ...]]:
    reasons, readable = inspection.reasons, inspection.readable
    if not reasons:
        return split, ()
    unreadable = _listed(f"  {split.names[i]}: {why}" for i, why in reasons.items())
    count = f"{len(reasons)} of {len(split)} images"
    if bad_images == "error":
        raise DataError(
            f"{split_name}: {count} cannot be read\n{unreadable}\n"
            '  fix or remove them, or write data.bad_images = "skip" to leave them out'
        )
    labels = tuple(split.labels[index] for index in readable)
    before, after = (task.class_counts(every, len(classes)) for every in (split.labels, labels))
    if lost := [name for name, b, a in zip(classes, before, after, strict=True) if b and not a]:
        classes_lost = ", ".join(map(repr, lost))
        raise DataError(
            f"{split_name}: no image of the class {classes_lost} can be read\n{unreadable}"
        )
    names = tuple(split.names[i] for i in readable)
    note = f"{split_name}: left out {count} that cannot be read\n{unreadable}"
    return Split(names, labels, ReadSubset(split, readable)), (note,)


def _in_both(
    train: Split, train_digests: Sequence[bytes], evaluated: Split, eval_digests: Sequence[bytes]
) -> tuple[str, ...]:
    backwards = reversed(range(len(train_digests)))  # the first of equal images is named
    first = {train_digests[index]: index for index in backwards if train_digests[index]}
    pairs = [(i, first[digest]) for i, digest in enumerate(eval_digests) if digest in first]
    if not pairs:
        return ()
    same = _listed(f"  {evaluated.names[i]} = {train.names[j]}" for i, j in pairs)
    return (
        f"{len(pairs)} of the {len(evaluated)} eval images are in the train split, too, byte for "
        f"byte: the results look better than they are\n{same}",
    )


def _listed(lines: Iterable[str]) -> str:
    every = list(lines)
    more = [f"  and {len(every) - _MOST_NAMED} more"] if len(every) > _MOST_NAMED else []
    return "\n".join([*every[:_MOST_NAMED], *more])
