"""The images of several splits together, which are then divided anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tlf.components import Split, Stamp
from tlf.data.inspection.readable import ReadSubset, ask
from tlf.data.splits import ReadFile


@dataclass(frozen=True)
class ReadEither:
    """Reads images that are spread over several splits. Picklable where these are."""

    splits: tuple[Split, ...]
    places: Sequence[tuple[int, int]]
    """The split of each image, and its index there."""

    def __call__(self, index: int) -> bytes:
        """The bytes of one image."""
        split, place = self.places[index]
        return self.splits[split].read(place)

    def stamp(self, index: int) -> Stamp | None:
        """What the file system says about one image, if it is a file of its own."""
        found: Stamp | None = self._known("stamp", index)
        return found

    def digest(self, index: int) -> bytes | None:
        """The SHA-256 of one image, if it is known without reading."""
        found: bytes | None = self._known("digest", index)
        return found

    def size(self, index: int) -> int | None:
        """The bytes of one image, if their number is known without reading."""
        found: int | None = self._known("size", index)
        return found

    def _known(self, verb: str, index: int) -> Any:  # noqa: ANN401 - see Split.read
        split, place = self.places[index]
        return ask(self.splits[split].read, verb, place)


@dataclass(frozen=True)
class Pool:
    """Images of the train split, and maybe those of the eval split behind them."""

    splits: tuple[Split, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Their names. Where two splits use the same ones, they begin with ``train/`` and
        ``eval/``: a name is unique in a split.
        """
        names = tuple(name for split in self.splits for name in split.names)
        if len(self.splits) == 1 or len({*names}) == len(names):
            return names
        titled = zip(("train", "eval"), self.splits, strict=True)
        return tuple(f"{title}/{name}" for title, split in titled for name in split.names)

    @cached_property
    def labels(self) -> tuple[Any, ...]:
        """Their labels."""
        return tuple(label for split in self.splits for label in split.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def chosen(self, positions: Sequence[int]) -> Split:
        """Some of the images as a split."""
        names = tuple(self.names[p] for p in positions)
        labels = tuple(self.labels[p] for p in positions)
        reads = [split.read for split in self.splits]
        if (files := _files(reads)) is not None:
            return Split(
                names, labels, ReadFile(files.root, tuple(files.names[p] for p in positions))
            )
        if len(self.splits) == 1:
            return Split(names, labels, ReadSubset(self.splits[0], tuple(positions)))
        first = len(self.splits[0])
        places = tuple((0, p) if p < first else (1, p - first) for p in positions)
        return Split(names, labels, ReadEither(self.splits, places))


def _files(reads: Sequence[object]) -> ReadFile | None:
    """What reads all the images, where they are files below one folder."""
    files = [read for read in reads if isinstance(read, ReadFile)]
    if len(files) < len(reads) or len({read.root for read in files}) > 1:
        return None
    return ReadFile(files[0].root, tuple(name for read in files for name in read.names))
