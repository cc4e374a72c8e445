"""What follows from a look at every image: what is left out, what stops the run, and what is in
both splits.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal

from tlf.components import Split, Splits
from tlf.errors import DataError
from tlf.tasks import Task

BadImages = Literal["error", "skip"]
"""What an image that cannot be read does: it stops the run, or is left out."""

_MOST = 20
"""How many images a message names."""


@dataclass(frozen=True)
class Inspection:
    """What became of the images of a split when they were decoded."""

    digests: Sequence[bytes]
    """SHA-256 of each image's bytes; empty where it could not be read."""
    reasons: Mapping[int, str]
    """Index of an image that cannot be read → why not."""

    @property
    def kept(self) -> tuple[int, ...]:
        """Indices of the images that can be read."""
        return tuple(i for i in range(len(self.digests)) if i not in self.reasons)


@dataclass(frozen=True)
class Checked:
    """Two splits in which every image can be read."""

    splits: Splits
    manifests: Mapping[str, str]
    """``train`` and ``eval`` → SHA-256 over the names, labels and bytes of their images."""


@dataclass(frozen=True)
class ReadKept:
    """Reads the images of a split that are left of it. Picklable where the split is."""

    split: Split
    kept: Sequence[int]

    def __call__(self, index: int) -> bytes:
        """The bytes of one image."""
        return self.split.read(self.kept[index])


def check_splits(
    splits: Splits, bad_images: BadImages, task: Task, seen: Mapping[str, Inspection]
) -> Checked:
    """Judge both splits by what was seen of ``train`` and ``eval``. An image that cannot be read
    is an error or is left out, never replaced by another.

    Raises:
        DataError: names every image that cannot be read, or a class that has none left.
    """
    problems, notes = [], list(splits.notes)
    kept: dict[str, Split] = {}
    for what, split in (("train", splits.train), ("eval", splits.eval)):
        try:
            kept[what], left_out = _keep(split, seen[what], bad_images, what, splits.classes, task)
            notes += left_out
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    found = _shared(splits.train, seen["train"].digests, splits.eval, seen["eval"].digests)
    kept_splits = replace(splits, train=kept["train"], eval=kept["eval"], notes=(*notes, *found))
    manifests = {
        "train": manifest(splits.train, seen["train"]),
        "eval": manifest(splits.eval, seen["eval"]),
    }
    return Checked(kept_splits, manifests)


def manifest(split: Split, seen: Inspection) -> str:
    """SHA-256 over every readable image's name, label and bytes, in order."""
    total = sha256()
    for index in seen.kept:
        digest = seen.digests[index].hex()
        total.update(f"{split.names[index]}\t{split.labels[index]}\t{digest}\n".encode())
    return total.hexdigest()


def _keep(
    split: Split,
    seen: Inspection,
    bad_images: BadImages,
    what: str,
    classes: Sequence[str],
    task: Task,
) -> tuple[Split, tuple[str, ...]]:
    if not seen.reasons:
        return split, ()
    found = "\n".join(_named(f"  {split.names[i]}: {why}" for i, why in seen.reasons.items()))
    count = f"{len(seen.reasons)} of {len(split)} images"
    if bad_images == "error":
        raise DataError(
            f"{what}: {count} cannot be read\n{found}\n"
            '  mend or remove them, or write data.bad_images = "skip" to leave them out'
        )
    kept = seen.kept
    labels = tuple(split.labels[index] for index in kept)
    before, after = (task.class_counts(every, len(classes)) for every in (split.labels, labels))
    if lost := [name for name, b, a in zip(classes, before, after, strict=True) if b and not a]:
        names = ", ".join(map(repr, lost))
        raise DataError(f"{what}: no image of the class {names} can be read\n{found}")
    left = Split(tuple(split.names[i] for i in kept), labels, ReadKept(split, kept))
    return left, (f"{what}: left out {count} that cannot be read\n{found}",)


def _shared(
    train: Split, train_digests: Sequence[bytes], evaluated: Split, eval_digests: Sequence[bytes]
) -> tuple[str, ...]:
    backwards = reversed(range(len(train_digests)))  # so that the first of equals is named
    first = {train_digests[index]: index for index in backwards if train_digests[index]}
    pairs = [(i, first[digest]) for i, digest in enumerate(eval_digests) if digest in first]
    if not pairs:
        return ()
    found = "\n".join(_named(f"  {evaluated.names[i]} = {train.names[j]}" for i, j in pairs))
    return (
        f"{len(pairs)} of the {len(evaluated)} images that are evaluated on are also trained "
        f"on, byte for byte, so the results look better than they are\n{found}",
    )


def _named(lines: Iterable[str]) -> Iterator[str]:
    every = list(lines)
    yield from every[:_MOST]
    if len(every) > _MOST:
        yield f"  and {len(every) - _MOST} more"
