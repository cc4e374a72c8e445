"""The images of several splits together, which are then divided anew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from tlf.components import Split, Stamp
from tlf.data.inspection.readable import ReadSubset, ask
from tlf.data.listing.compact import Names, Numbers, alike, chosen
from tlf.data.splits import ReadFile


@dataclass(frozen=True)
class ReadEither:
    """Reads images that are spread over several splits. Picklable where these are."""

    splits: tuple[Split, ...]
    positions: Sequence[int]
    """The position of each image among those of all splits, one split behind the other."""

    def __call__(self, index: int) -> bytes:
        """The bytes of one image."""
        read, place = self._found(index)
        return read(place)

    def stamp(self, index: int) -> Stamp | None:
        """What the file system says about one image, if it is a file of its own."""
        return self._known("stamp", index)  # type: ignore[no-any-return]

    def digest(self, index: int) -> bytes | None:
        """The SHA-256 of one image, if it is known without reading."""
        return self._known("digest", index)  # type: ignore[no-any-return]

    def size(self, index: int) -> int | None:
        """The bytes of one image, if their number is known without reading."""
        return self._known("size", index)  # type: ignore[no-any-return]

    def _known(self, verb: str, index: int) -> Any:  # noqa: ANN401 - see ``Split.read``
        read, place = self._found(index)
        return ask(read, verb, place)

    def _found(self, index: int) -> tuple[Callable[[int], bytes], int]:
        """What reads an image, and its index there."""
        place = self.positions[index]
        for split in self.splits:
            if place < len(split):
                return split.read, place
            place -= len(split)
        raise IndexError(index)


@dataclass(frozen=True)
class Pool:
    """Images of the train split, and maybe those of the eval split behind them."""

    splits: tuple[Split, ...]

    @cached_property
    def names(self) -> Sequence[str]:
        """Their names. Where two splits use the same ones, they begin with ``train/`` and
        ``eval/``: a name is unique in a split.
        """
        names = Names(chain.from_iterable(split.names for split in self.splits))
        if len(self.splits) == 1 or len({*names}) == len(names):
            return names
        titled = zip(("train", "eval"), self.splits, strict=True)
        return Names(f"{title}/{name}" for title, split in titled for name in split.names)

    @cached_property
    def labels(self) -> Sequence[Any]:
        """Their labels."""
        every = chain.from_iterable(split.labels for split in self.splits)
        return alike(self.splits[0].labels, every)

    def __len__(self) -> int:
        return len(self.labels)

    def chosen(self, positions: Sequence[int]) -> Split:
        """Some of the images as a split."""
        kept = Numbers(positions)
        names, labels = (chosen(values, kept) for values in (self.names, self.labels))
        if (files := self._files) is not None:
            return Split(names, labels, ReadFile(files.root, chosen(files.names, kept)))
        if len(self.splits) == 1:
            return Split(names, labels, ReadSubset(self.splits[0], kept))
        return Split(names, labels, ReadEither(self.splits, kept))

    @cached_property
    def _files(self) -> ReadFile | None:
        """What reads all the images, where they are files below one folder."""
        files = [split.read for split in self.splits if isinstance(split.read, ReadFile)]
        if len(files) < len(self.splits) or len({read.root for read in files}) > 1:
            return None
        return ReadFile(files[0].root, Names(chain.from_iterable(read.names for read in files)))
