"""What follows from the inspection of every image: which are left out, which stop the run, and
which are in both splits.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice
from typing import Any, Literal

from tlf.components import Split, Splits, Stamp
from tlf.data.inspection.answers import compact, repeated
from tlf.data.listing.compact import Numbers, chosen
from tlf.data.splits import listed
from tlf.errors import DataError
from tlf.tasks import Task

BadImages = Literal["error", "skip"]
"""What an unreadable image does: it stops the run, or is left out."""
MissingInEval = Literal["error", "allow"]
"""What a class without eval images does: it stops the run, or is trained and not evaluated."""
UnknownInEval = Literal["error", "skip"]
"""What eval images of a class without train images do: they stop the run, or are left out."""
Verify = Literal["auto", "content", "stat"]
"""How it is known that an image is the same as before: by its content, or by what the file system
says of its file; ``auto`` decides it by the bytes of all images."""

IN_BOTH = "in the train split, too"
"""What a note says, and no other note, about images that train and eval share."""

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
    def readable(self) -> Sequence[int]:
        """Indices of the images that can be read."""
        every = range(len(self.digests))
        return Numbers(i for i in every if i not in self.reasons) if self.reasons else every

    def without(self, reasons: Mapping[int, str]) -> "Inspection":
        """The same, where these images cannot be read."""
        if not reasons:
            return self
        digests = compact(b"" if i in reasons else each for i, each in enumerate(self.digests))
        return Inspection(digests, dict(sorted(reasons.items())))


@dataclass(frozen=True)
class Unreadable:
    """An image that is left out, as it cannot be read."""

    split: str
    """``train`` or ``eval``."""
    name: str
    label: str
    """The name of its class."""
    why: str


@dataclass(frozen=True)
class Checked:
    """Two splits in which every image can be read."""

    splits: Splits
    manifests: Mapping[str, str]
    """``train`` and ``eval`` → SHA-256 over the names, labels and bytes of their images."""
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(frozen=True)
class ReadSubset:
    """Reads some of the images of a split. Picklable where the split is."""

    split: Split
    indices: Sequence[int]

    def __call__(self, index: int) -> bytes:
        """The bytes of one image."""
        return self.split.read(self.indices[index])

    def stamp(self, index: int) -> Stamp | None:
        """What the file system says about one image, if it is a file of its own."""
        found: Stamp | None = ask(self.split.read, "stamp", self.indices[index])
        return found

    def digest(self, index: int) -> bytes | None:
        """The SHA-256 of one image, if it is known without reading."""
        found: bytes | None = ask(self.split.read, "digest", self.indices[index])
        return found

    def size(self, index: int) -> int | None:
        """The bytes of one image, if their number is known without reading."""
        found: int | None = ask(self.split.read, "size", self.indices[index])
        return found

    def within(self, index: int) -> tuple[Callable[[int], bytes], int]:
        """What reads one image, and its index there."""
        return self.split.read, self.indices[index]


def ask(read: Callable[[int], bytes], verb: str, index: int) -> Any:  # noqa: ANN401 - see Split.read
    """What an optional method of ``Split.read`` says about an image; None where it has none."""
    method = getattr(read, verb, None)
    return None if method is None else method(index)


def subset(split: Split, indices: Iterable[int]) -> Split:
    """Some images of a split."""
    kept = Numbers(indices)
    names, labels = (chosen(values, kept) for values in (split.names, split.labels))
    groups = None if split.groups is None else chosen(split.groups, kept)
    return Split(names, labels, ReadSubset(split, kept), groups=groups)


def whole(split: Split) -> Split:
    """The split that some images are of, through all subsets of subsets."""
    while isinstance(split.read, ReadSubset):
        split = split.read.split
    return split


def check_splits(
    splits: Splits,
    bad_images: BadImages,
    task: Task,
    inspections: Mapping[str, Inspection],
    missing_in_eval: MissingInEval = "error",
    *,
    may_lose_classes: bool = False,
) -> Checked:
    """Keep the readable images of both splits, by the inspections of ``train`` and ``eval``.

    An unreadable image is an error or is left out; it is never replaced by another. Nothing is
    trained where classes may lose all their train images.

    Raises:
        DataError: names every image that cannot be read, or a class that has none left.
    """
    problems, notes = [], list(splits.notes)
    kept: dict[str, Split] = {}
    for name, split in (("train", splits.train), ("eval", splits.eval)):
        inspection = inspections[name]
        try:
            kept[name], left_out = _keep(split, inspection, bad_images, name)
            if not may_lose_classes and (name == "train" or missing_in_eval == "error"):
                _check_classes(splits, kept[name], inspection, name, task)
            notes += left_out
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    train, evaluated = inspections["train"], inspections["eval"]
    notes += _in_both(splits.train, train.digests, splits.eval, evaluated.digests)
    notes += _in_two_classes(splits, inspections, task)
    kept_splits = replace(splits, train=kept["train"], eval=kept["eval"], notes=tuple(notes))
    manifests = {
        "train": manifest(splits.train, train),
        "eval": manifest(splits.eval, evaluated),
    }
    return Checked(kept_splits, manifests, tuple(_all_unreadable(splits, inspections, task)))


def _all_unreadable(
    splits: Splits, inspections: Mapping[str, Inspection], task: Task
) -> Iterator[Unreadable]:
    for split_name, split in (("train", splits.train), ("eval", splits.eval)):
        for index, why in inspections[split_name].reasons.items():
            label = task.names(split.labels[index], splits.classes)
            yield Unreadable(split_name, split.names[index], label, why)


def manifest(split: Split, inspection: Inspection) -> str:
    """SHA-256 over every readable image's name, label and bytes, in order."""
    total = sha256()
    for index in inspection.readable:
        digest = inspection.digests[index].hex()
        total.update(f"{split.names[index]}\t{split.labels[index]}\t{digest}\n".encode())
    return total.hexdigest()


def listing_sha256(split: Split) -> str:
    """SHA-256 over the name and the label of every image, in order. None is read."""
    return sha256(repr([*zip(split.names, split.labels, strict=True)]).encode()).hexdigest()


def _keep(
    split: Split, inspection: Inspection, bad_images: BadImages, split_name: str
) -> tuple[Split, tuple[str, ...]]:
    reasons, readable = inspection.reasons, inspection.readable
    if not reasons:
        return split, ()
    unreadable = _unreadable(split, inspection)
    count = f"{len(reasons)} of {len(split)} images"
    if bad_images == "error":
        raise DataError(
            f"{split_name}: {count} cannot be read\n{unreadable}\n"
            '  fix or remove them, or write data.bad_images = "skip" to leave them out'
        )
    if not readable:
        raise DataError(f"{split_name}: no image can be read\n{unreadable}")
    note = f"{split_name}: left out {count} that cannot be read\n{unreadable}"
    return subset(split, readable), (note,)


def _check_classes(
    splits: Splits, kept: Split, inspection: Inspection, split_name: str, task: Task
) -> None:
    """Check that no class has lost all of its images.

    Raises:
        DataError: one has.
    """
    split, classes = splits.train if split_name == "train" else splits.eval, splits.classes
    before, after = (task.class_counts(each.labels, len(classes)) for each in (split, kept))
    if lost := [name for name, b, a in zip(classes, before, after, strict=True) if b and not a]:
        advice = "replace the images"
        if split_name == "eval":
            advice += ', or write data.missing_in_eval = "allow"'
        raise DataError(
            f"{split_name}: no image of {listed(lost)} can be read; {advice}\n"
            f"{_unreadable(split, inspection)}"
        )


def _unreadable(split: Split, inspection: Inspection) -> str:
    reasons = inspection.reasons
    return _listed((f"  {split.names[i]}: {why}" for i, why in reasons.items()), len(reasons))


def _in_both(
    train: Split, train_digests: Sequence[bytes], evaluated: Split, eval_digests: Sequence[bytes]
) -> tuple[str, ...]:
    first: dict[bytes, int] = {}
    count, named = 0, list[str]()
    for part, index, digest in repeated(train_digests, eval_digests):
        if part == 0:
            first.setdefault(digest, index)  # the first of equal images is named
        elif digest in first:
            count += 1
            if count <= _MOST_NAMED:
                named.append(f"  {evaluated.names[index]} = {train.names[first[digest]]}")
    if not count:
        return ()
    same = _listed(named, count)
    return (
        f"{count} of the {len(evaluated)} eval images are {IN_BOTH}, byte for byte: the "
        f"results look better than they are\n{same}",
    )


def _in_two_classes(
    splits: Splits, inspections: Mapping[str, Inspection], task: Task
) -> tuple[str, ...]:
    """A note about images with the bytes of an image of another class."""
    both = (splits.train, splits.eval)
    first: dict[bytes, tuple[int, int]] = {}
    count, named = 0, list[str]()
    for part, index, digest in repeated(*(inspections[n].digests for n in ("train", "eval"))):
        places = (part, index), first.setdefault(digest, (part, index))
        labels = [both[number].labels[i] for number, i in places]
        if labels[0] == labels[1]:
            continue
        count += 1
        if count <= _MOST_NAMED:
            here, there = (
                f"{both[number].names[i]} ({task.names(label, splits.classes)})"
                for (number, i), label in zip(places, labels, strict=True)
            )
            named.append(f"  {here} = {there}")
    if not count:
        return ()
    images = f"{count} image{' has' if count == 1 else 's have'}"
    return (
        f"{images} the bytes of an image of another class: no model can be right about both\n"
        f"{_listed(named, count)}",
    )


def _listed(lines: Iterable[str], count: int) -> str:
    """The first lines of so many."""
    more = [f"  and {count - _MOST_NAMED} more"] if count > _MOST_NAMED else []
    return "\n".join([*islice(lines, _MOST_NAMED), *more])
