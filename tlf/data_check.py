"""Looks at every picture once before anything is learnt: can it be read, and is it in both splits?

Each file is read once, by as many threads as there are cores: Pillow decodes outside Python's lock.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal

from tlf.components import Split, Splits
from tlf.cores import usable_cores
from tlf.errors import DataError
from tlf.pictures import open_picture

_MOST = 20
"""How many pictures a message names."""
_CHUNK = 64
"""Pictures that a thread takes at a time: a queue entry for each would outweigh a large set."""


@dataclass(frozen=True)
class Inspection:
    """What became of the pictures of a split when they were decoded."""

    digests: Sequence[bytes]
    """SHA-256 of each picture's bytes; empty where it could not be read."""
    reasons: Mapping[int, str]
    """Index of a picture that cannot be read → why not."""


@dataclass(frozen=True)
class Checked:
    """Two splits in which every picture can be read."""

    splits: Splits
    manifests: Mapping[str, str]
    """``train`` and ``eval`` → SHA-256 over the names, labels and bytes of their pictures."""


@dataclass(frozen=True)
class ReadKept:
    """Reads the pictures of a split that are left of it. Picklable where the split is."""

    split: Split
    kept: Sequence[int]

    def __call__(self, index: int) -> bytes:
        """The bytes of one picture."""
        return self.split.read(self.kept[index])


def check_splits(splits: Splits, bad_images: Literal["error", "skip"]) -> Checked:
    """Check both splits, each file being read once: ``check_pictures`` and ``leaks`` in one.

    Raises:
        DataError: names every picture that cannot be read, or a class that has none left.
    """
    seen = {"train": inspect(splits.train), "eval": inspect(splits.eval)}
    problems, notes = [], list(splits.notes)
    kept: dict[str, Split] = {}
    for what, split in (("train", splits.train), ("eval", splits.eval)):
        try:
            kept[what], left_out = _keep(split, seen[what], bad_images, what, splits.classes)
            notes += left_out
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    found = _shared(splits.train, seen["train"].digests, splits.eval, seen["eval"].digests)
    kept_splits = replace(splits, train=kept["train"], eval=kept["eval"], notes=(*notes, *found))
    manifests = {
        "train": manifest(splits.train, seen["train"].digests),
        "eval": manifest(splits.eval, seen["eval"].digests),
    }
    return Checked(kept_splits, manifests)


def manifest(split: Split, digests: Sequence[bytes]) -> str:
    """SHA-256 over every readable picture's name, label and bytes, in order."""
    total = sha256()
    for name, label, digest in zip(split.names, split.labels, digests, strict=True):
        if digest:
            total.update(f"{name}\t{label}\t{digest.hex()}\n".encode())
    return total.hexdigest()


def check_pictures(
    split: Split, bad_images: Literal["error", "skip"], what: str
) -> tuple[Split, tuple[str, ...]]:
    """Decode every picture of a split; give what can be used of it, and notes on what cannot.

    A picture that cannot be read is an error or is left out, never replaced by another.

    Raises:
        DataError: names every picture that cannot be read, or a class that has none left.
    """
    return _keep(split, inspect(split), bad_images, what, ())


def leaks(train: Split, evaluated: Split) -> tuple[str, ...]:
    """Name the pictures of the eval split that are in the train split too, byte for byte.

    Reads both splits; ``check_splits`` does without.
    """
    digests = [
        [sha256(split.read(i)).digest() for i in range(len(split))] for split in (train, evaluated)
    ]
    return _shared(train, digests[0], evaluated, digests[1])


def inspect(split: Split) -> Inspection:
    """Read, hash and decode every picture of a split."""
    chunks = [
        range(start, min(start + _CHUNK, len(split))) for start in range(0, len(split), _CHUNK)
    ]
    digests: list[bytes] = []
    reasons: dict[int, str] = {}
    with ThreadPoolExecutor(usable_cores()) as threads:
        results = threads.map(lambda chunk: [_look(split, index) for index in chunk], chunks)
        for index, (digest, reason) in enumerate(pair for chunk in results for pair in chunk):
            digests.append(digest)
            if reason:
                reasons[index] = reason
    return Inspection(digests, reasons)


def _look(split: Split, index: int) -> tuple[bytes, str]:
    """A picture's digest, or why it cannot be read."""
    try:
        data = split.read(index)
        open_picture(data)
    except DataError as error:
        return b"", str(error)
    except OSError as error:
        return b"", error.strerror or str(error)
    return sha256(data).digest(), ""


def _keep(
    split: Split,
    seen: Inspection,
    bad_images: Literal["error", "skip"],
    what: str,
    classes: Sequence[str],
) -> tuple[Split, tuple[str, ...]]:
    if not seen.reasons:
        return split, ()
    found = "\n".join(_named(f"  {split.names[i]}: {why}" for i, why in seen.reasons.items()))
    count = f"{len(seen.reasons)} of {len(split)} pictures"
    if bad_images == "error":
        raise DataError(
            f"{what}: {count} cannot be read\n{found}\n"
            '  mend or remove them, or write data.bad_images = "skip" to leave them out'
        )
    kept = tuple(index for index in range(len(split)) if index not in seen.reasons)
    labels = tuple(split.labels[index] for index in kept)
    lost = sorted(set(split.labels) - set(labels))
    if lost:
        names = ", ".join(repr(classes[label]) if classes else str(label) for label in lost)
        raise DataError(f"{what}: no picture of the class {names} can be read\n{found}")
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
        f"{len(pairs)} of the {len(evaluated)} pictures that are evaluated on are also learnt "
        f"from, byte for byte, so the results look better than they are\n{found}",
    )


def _named(lines: Iterable[str]) -> Iterator[str]:
    every = list(lines)
    yield from every[:_MOST]
    if len(every) > _MOST:
        yield f"  and {len(every) - _MOST} more"
