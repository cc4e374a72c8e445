"""The dataset component of shards."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from tlf.builtin.shards.class_names import (
    check_alike,
    classes_of,
    read_names,
    several_classes_of,
)
from tlf.components import HeldOut, IsPath, Labelled, Splits
from tlf.data.label_sets.as_text import (
    HoldOutOfSets,
    check_all_used,
    check_label_options,
    positions,
    taken_apart,
)
from tlf.data.ranges.addresses import is_stream, scheme, shown
from tlf.data.splits import HoldOut, check_fraction, failure, too_few_classes
from tlf.data.splitting.groups import no_names
from tlf.errors import DataError

if TYPE_CHECKING:
    from tlf.builtin.shards.split import Members, Positions
    from tlf.data.ranges import Object


def is_path(pattern: str) -> bool:
    """Whether a pattern is a path on the disk.

    >>> is_path("train-*.tar"), is_path("s3://bucket/train-*.tar")
    (True, False)
    """
    return not scheme(pattern) and not is_stream(pattern)


@dataclass(frozen=True)
class Shards:
    """Images in tar, zip or parquet files, called shards, on a disk or at an address.

    A tar file has webdataset's layout (``0001.jpg``, ``0001.cls``), or a folder for each class, as
    a zip file has. Each shard is read once for its index: where each image is, its label and its
    hash. It is kept in tlf's cache until the shard changes. No shard is unpacked.
    """

    train: Annotated[str, IsPath(when=is_path)]
    """The shards of the train split: a path or an address. ``*``, ``?`` and ``[…]`` find files,
    ``{000..010}`` counts, ``{a,b}`` lists."""
    eval: Annotated[str, IsPath(when=is_path)] = ""
    """The shards of the eval split. Empty: a fraction of each class is held out."""
    image: str = "auto"
    """What holds the images: how their names end after the first dot (``left.jpg``), or a column of
    parquet files. ``auto``: all images by their names, or the only column of bytes."""
    label: str = "auto"
    """What holds the labels: how names end after the first dot (``cls``, ``txt``), ``json:FIELD``,
    ``folder`` (that holds the image), ``top-folder``, or a column of parquet files. ``auto``: the
    members ``.cls``, else ``folder``; the only column of named classes, else ``label``. For
    ``task = "multi-label"``, a field of JSON or a column may hold lists of names or numbers."""
    label_separator: str = ""
    """For ``task = "multi-label"``: what separates the names of several classes in a text, such as
    ``;``. An empty text is an image without a class."""
    labels: tuple[str, ...] = ()
    """For ``task = "multi-label"``: a column of parquet files for each class, called as the class,
    which holds 0 or 1. It replaces ``label``; the classes have this order."""
    classes: Annotated[str, IsPath()] = ""
    """A text file with the name of each class, one in each line, where labels are numbers from 0
    on. Empty: labels are the names."""
    fraction: float = 0.2
    """How much of each class is held out where ``eval`` is empty."""
    seed: int = 0
    """Decides which images are held out; the seed of the run has no effect on it."""

    def __post_init__(self) -> None:
        """Check the options."""
        if not self.train:
            raise ValueError('train must name shards, got ""; write train = "train-*.tar"')
        for name, example in (("image", "jpg"), ("label", "json:species")):
            if getattr(self, name).removeprefix("json:") == "":
                raise ValueError(
                    f"{name} must say where it is, got {getattr(self, name)!r}; write {example!r}, "
                    'for example, or "auto"'
                )
        check_fraction(self.fraction)
        check_label_options(self.labels, self.label_separator)

    def build(self) -> Splits:
        """Find the images. A shard without an index is read once.

        Raises:
            DataError: names what is wrong with a shard, or does not fit together.
        """
        return self.build_with(None, ())

    def build_with(self, test: str | None, columns: Sequence[str]) -> Splits:
        """Find the images, with those of the shards ``test`` as the test split. A relative path of
        theirs is in the folder of the train shards.

        Raises:
            DataError: names what is wrong with a shard, or does not fit together.
        """
        if columns:
            raise failure(shown(self.train), [no_names("shards", None, columns[0])])
        patterns = {"train": self.train, "eval": self.eval}
        patterns |= {} if test is None else {"test": self._pattern(test)}
        found = {split: self._find(pattern) for split, pattern in patterns.items() if pattern}
        members = {split: each for split, (each, _) in found.items()}
        self._check(members)
        groups = {split: self._groups(patterns[split], each) for split, each in members.items()}
        notes, held_out = [note for _, more in found.values() for note in more], None
        several = members["train"].index.several
        if not self.eval:
            train = members["eval"] = members["train"]
            groups["train"], groups["eval"], note = self._held_out(train, groups["train"])
            notes.append(note)
            held_out = HeldOut(self.fraction, note)
        known = positions(groups["train"])[0] if several else groups["train"]
        if problems := too_few_classes(known, "train" if self.eval else "it"):
            raise failure(shown(self.train), problems)
        classes = tuple(sorted({name for each in groups.values() for name in each}))
        splits = {split: members[split].split(groups[split], classes) for split in groups}
        built = Splits(
            splits["train"],
            splits["eval"],
            classes,
            tuple(notes),
            splits.get("test"),
            held_out,
        )
        return self._apart(built) if several else built

    def _apart(self, splits: Splits) -> Splits:
        """The splits, with tuples of classes as labels.

        Raises:
            DataError: a column of ``labels`` is no image's class.
        """
        found = taken_apart(splits, self.labels)
        check_all_used(shown(self.train), self.labels, found.classes)
        return found

    def labelled(self, split: str | None) -> Labelled:
        """The images of one split: ``train``, ``eval``, or the shards of a pattern, beside those of
        the train split; without a name, of the eval split if there is one, else all.

        Raises:
            DataError: there is no such split, or something is wrong with a shard.
        """
        pattern = self._pattern(split)
        members, _ = self._find(pattern)
        groups = self._groups(pattern, members)
        classes = tuple(groups)
        images = members.split(groups, classes)
        if not members.index.several:
            return Labelled(images, classes)
        found = taken_apart(Splits(images, images, classes), self.labels)
        return Labelled(found.train, found.classes)

    def _find(self, pattern: str) -> "tuple[Members, tuple[str, ...]]":
        """The images in shards, and notes. What reads shards is imported by runs that have some."""
        from tlf.builtin.shards.find import find_members
        from tlf.builtin.shards.samples import Layout

        return find_members(
            pattern, Layout(self.image, self.label, self.label_separator, self.labels)
        )

    def _groups(self, where: str, members: "Members") -> "dict[str, Positions]":
        """Class → its images."""
        names = read_names(self.classes) if self.classes else ()
        find = several_classes_of if members.index.several else classes_of
        return members.by_class(find(shown(where), members.index.values, names))

    def _held_out(
        self, train: "Members", groups: "Mapping[str, Positions]"
    ) -> "tuple[dict[str, Positions], dict[str, Positions], str]":
        """Class → its images of the train split, and of the eval split, which is a part of all
        images; and a note for the user.
        """
        names = train.index.names
        rows = {names[row]: row for group in groups.values() for row in group.tolist()}
        named = {label: [names[row] for row in group.tolist()] for label, group in groups.items()}
        divide = HoldOutOfSets if train.index.several else HoldOut
        kept, held_out, note = divide(shown(self.train), self.fraction, self.seed).take(named)
        return _rows(kept, rows), _rows(held_out, rows), note

    def _check(self, members: "Mapping[str, Members]") -> None:
        """Check that splits share no shard, and that labels mean the same in all of them.

        Raises:
            DataError: they do not.
        """
        first: dict[Object, str] = {}
        for split, each in members.items():
            for source in each.shards:
                if (other := first.setdefault(source, split)) != split:
                    problem = f"{source.shown} is in the {other} split and in the {split} split"
                    raise DataError(f"{problem}; set data.{other} or data.{split}")
        several = {split: each.index.several for split, each in members.items()}
        if len({*several.values()}) > 1:
            which = next(split for split, own in several.items() if own)
            problem = f"only the {which} split has several classes for each image"
            raise failure(shown(self.train), [f"{problem}; write them in all"])
        if not self.classes:
            check_alike({split: each.index.every_label for split, each in members.items()})

    def _pattern(self, split: str | None) -> str:
        """The shards of a split."""
        if split is None:
            return self.eval or self.train
        if split == "train":
            return self.train
        if split != "eval":
            if re.fullmatch(r"\w+", split):
                advice = "write train, eval, or shards, such as 'test-*.tar'"
                raise failure(shown(self.train), [f"there is no split {split!r}; {advice}"])
            folder, slash, _ = self.train.rpartition("/")
            inside = is_path(split) and not split.startswith("/")
            return f"{folder}{slash}{split}" if inside else split
        if not self.eval:
            alone = "leave --split out for all images"
            raise DataError(f"there is no eval split: data.eval names no shards; {alone}")
        return self.eval


def _rows(groups: Mapping[str, Sequence[str]], rows: Mapping[str, int]) -> "dict[str, Positions]":
    """Class → the rows of its images."""
    import numpy as np

    return {
        label: np.array([rows[name] for name in names], dtype=np.int64)
        for label, names in groups.items()
    }
