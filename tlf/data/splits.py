"""What every dataset does once it knows which images belong to which class: hold some out for the
eval split, compare the classes of both splits, and assign labels.

For authors of datasets. Groups are class name → its images, each a name or a row number.
"""

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import chain, repeat
from types import MappingProxyType
from typing import Any, TypeVar, cast

from tlf.components import HeldOut, Split, Splits, Stamp
from tlf.data.image_files import read_image
from tlf.data.listing.compact import Names, Numbers
from tlf.errors import DataError
from tlf.tasks.strata import share

EVAL_NAMES = ("val", "valid", "validation", "eval", "test")
"""Common names of an eval split; the first that exists is used."""

Item = TypeVar("Item", str, int)
"""An image: its name, or its row number."""
Columns = Mapping[str, Mapping[str, str]]
"""Column → name of an image → its value."""


@dataclass(frozen=True)
class ReadFile:
    """Reads an image of a split that is stored as files. Picklable."""

    root: str
    names: Sequence[str]
    """Paths relative to ``root``, with forward slashes."""

    def __call__(self, index: int) -> bytes:
        """The bytes of one file."""
        return read_image(self.path(index))

    def path(self, index: int) -> str:
        """Where one file is."""
        return os.path.join(self.root, self.names[index])

    def stamp(self, index: int) -> Stamp:
        """What the file system says about one file."""
        seen = os.stat(self.path(index))
        return seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino, seen.st_dev


@dataclass(frozen=True)
class HoldOut:
    """An eval split that is held out from the train split."""

    where: str
    """What messages call the dataset."""
    fraction: float
    seed: int

    def take(
        self, groups: Mapping[str, Sequence[Item]]
    ) -> tuple[dict[str, Sequence[Item]], dict[str, Sequence[Item]], str]:
        """Train, eval, and a note for the user.

        Raises:
            ValueError: the fraction is not between 0 and 1.
            DataError: each class has a single image.
        """
        train, evaluated = self.divided(groups)
        count = sum(map(len, evaluated.values()))
        if not count:
            problem = "no class has 2 images, one for each split; add images"
            raise failure(self.where, [problem])
        note = (
            f"{self.where} has no eval split of its own: {self.fraction:.0%} of each class, "
            f"{count} images in all, were held out as one (drawn by data.seed = {self.seed})"
        )
        return train, evaluated, note

    def divided(
        self, groups: Mapping[str, Sequence[Item]]
    ) -> tuple[dict[str, Sequence[Item]], dict[str, Sequence[Item]]]:
        """Train and eval.

        Raises:
            ValueError: the fraction is not between 0 and 1.
        """
        return hold_out(groups, self.fraction, self.seed)


def check_fraction(fraction: float) -> None:
    """Check how much is held out.

    Raises:
        ValueError: it is nothing, or all.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must be between 0 and 1, got {fraction}; write fraction = 0.2")


def hold_out(
    groups: Mapping[str, Sequence[Item]], fraction: float, seed: int
) -> tuple[dict[str, Sequence[Item]], dict[str, Sequence[Item]]]:
    """Hold out ``fraction`` of every class, at least one image unless it has a single one: (train,
    eval).

    Which images are held out depends only on the seed and on each image's name: it is the same on
    every machine, and an image that is added later moves few others to the other split.

    >>> hold_out({"ant": ["a", "b", "c", "d"], "bee": ["e", "f"]}, 0.25, seed=0)
    ({'ant': ['a', 'b', 'd'], 'bee': ['e']}, {'ant': ['c'], 'bee': ['f']})

    Raises:
        ValueError: the fraction is not between 0 and 1.
    """
    check_fraction(fraction)
    train: dict[str, Sequence[Item]] = {}
    evaluated: dict[str, Sequence[Item]] = {}
    for name, images in groups.items():
        count = share(fraction, len(images), len(images) - 1)
        held_out = set(sorted(images, key=lambda image: rank(seed, image))[:count])
        kind: Any = Names if isinstance(images, Names) else list
        train[name] = kind(image for image in images if image not in held_out)
        evaluated[name] = kind(image for image in images if image in held_out)
    return train, evaluated


def labelled(
    groups: Mapping[str, Sequence[Item]], classes: Sequence[str]
) -> tuple[Sequence[Item], Numbers]:
    """Images class by class, and the index of each one's class in ``classes``.

    >>> labelled({"bee": ["x", "y"], "ant": ["z"]}, ["ant", "bee"])
    (Names('z', 'x', 'y'), Numbers(0, 1, 1))
    """
    members = [groups.get(name, ()) for name in classes]
    every = chain.from_iterable(members)
    rows = any(isinstance(image, int) for each in members for image in each[:1])
    images: Any = (
        Numbers(cast("Iterable[int]", every)) if rows else Names(cast("Iterable[str]", every))
    )
    counts = map(len, members)
    return images, Numbers(chain.from_iterable(map(repeat, range(len(members)), counts)))


def too_few_classes(train: Collection[str], name: str) -> list[str]:
    """A sentence where a train split has a single class.

    >>> too_few_classes(["ant"], "train")
    ["train must have at least 2 classes, got 'ant' only; add images of another class"]
    """
    if len(train) != 1:
        return []
    only = listed(train)
    return [f"{name} must have at least 2 classes, got {only} only; add images of another class"]


def split_named(wanted: str, names: Iterable[str]) -> str | None:
    """The name of a split as a dataset has it: ``wanted``, or the only one that differs from it by
    upper and lower case.

    >>> split_named("train", ["Train", "Test"]), split_named("train", ["Train", "TRAIN"])
    ('Train', None)
    """
    known = list(names)
    if wanted in known:
        return wanted
    alike = [name for name in known if name.casefold() == wanted.casefold()]
    return alike[0] if len(alike) == 1 else None


def eval_splits(names: Iterable[str]) -> list[str]:
    """The usual names of an eval split that a dataset has, as it has them; the first is used.

    >>> eval_splits(["Train", "Test", "valid"])
    ['valid', 'Test']
    """
    known = list(names)
    found = [split_named(name, known) for name in EVAL_NAMES]
    return [name for name in found if name is not None]


def check_test(where: str, test: str, used: Mapping[str, str | None]) -> None:
    """Check that the test split is no other split. ``used``: train and eval → their names.

    Raises:
        DataError: it is.
    """
    for split, name in used.items():
        if name == test:
            problem = f"data.test must be another split than that of {split}, got {test!r}"
            raise failure(where, [f"{problem}; set data.test or data.{split}"])


def untouched(found: Sequence[str]) -> tuple[str, ...]:
    """What a person should know of eval splits that nobody has named: one note for each that is not
    used, and how a split that is called test is kept for the end.

    >>> untouched(["val", "valid"])
    ("'valid' is not used: the eval split is 'val'",)
    >>> untouched(["test"])
    ("the eval split is 'test'; to keep it for the end, write data.test = 'test'",)
    """
    notes = [f"{name!r} is not used: the eval split is {found[0]!r}" for name in found[1:]]
    if found and found[-1].casefold() == "test":
        about = notes.pop() if notes else f"the eval split is {found[0]!r}"
        notes.append(f"{about}; to keep it for the end, write data.test = {found[-1]!r}")
    return tuple(notes)


def file_splits(
    root: str,
    train: Mapping[str, Sequence[str]],
    evaluated: "Mapping[str, Sequence[str]] | HoldOut",
    notes: Sequence[str] = (),
    files: Mapping[str, str] = MappingProxyType({}),
    test: Mapping[str, Sequence[str]] | None = None,
    columns: Columns = MappingProxyType({}),
) -> Splits:
    """Splits of images that are stored as files, named by their paths relative to ``root``.

    Classes are sorted by name and the images of each by path: the order of the file system does not
    matter.

    Parameters:
        root: the folder.
        train: class → its train images.
        evaluated: class → its eval images, or how they are held out.
        notes: what a person should know.
        files: name → path, of images whose name is not the path itself.
        test: class → its test images, if there is a test split.
        columns: column → name → its value for this image.

    Raises:
        DataError: the classes are too small to hold images out.
    """
    notes, held_out = list(notes), None
    if isinstance(evaluated, HoldOut):
        fraction = evaluated.fraction
        train, evaluated, note = evaluated.take(train)
        notes.append(note)
        held_out = HeldOut(fraction, note)
    classes = tuple(sorted({*train, *evaluated, *(test or ())}))
    one, other = (
        _file_split(root, groups, classes, files, columns) for groups in (train, evaluated)
    )
    third = None if test is None else _file_split(root, test, classes, files, columns)
    return Splits(one, other, classes, (*notes,), third, held_out)


def _file_split(
    root: str,
    groups: Mapping[str, Sequence[str]],
    classes: Sequence[str],
    files: Mapping[str, str],
    columns: Columns,
) -> Split:
    names, labels = labelled({name: Names(sorted(groups[name])) for name in groups}, classes)
    paths = Names(files.get(name, name) for name in names) if files else names
    values = {column: Names(of[name] for name in names) for column, of in columns.items()}
    return Split(names, labels, ReadFile(root, paths), values)


def parts_of(splits: Splits) -> dict[str, Split]:
    """``train``, ``eval`` and, if there is one, ``test`` → the split."""
    parts = {"train": splits.train, "eval": splits.eval}
    return parts if splits.test is None else {**parts, "test": splits.test}


def each_split(splits: Splits, change: Callable[[Split], Split]) -> Splits:
    """The same splits, each of them changed."""
    test = None if splits.test is None else change(splits.test)
    return replace(splits, train=change(splits.train), eval=change(splits.eval), test=test)


def failure(where: str, problems: Sequence[str]) -> DataError:
    """One error for everything that is wrong with a dataset."""
    if len(problems) == 1:
        return DataError(f"{where}: {problems[0]}")
    return DataError("\n  ".join([f"{where}: {len(problems)} problems", *problems]))


def listed(names: Iterable[str], most: int = 20) -> str:
    """The first names in quotes, and how many more there are.

    >>> listed(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    shown = list(names)
    more = f" and {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(repr(name) for name in shown[:most]) + more


def rank(seed: int | str, image: str | int) -> bytes:
    """A number that is drawn for an image: from the seed and the image's name, and nothing else."""
    return sha256(f"{seed}/{image}".encode(errors="surrogateescape")).digest()
