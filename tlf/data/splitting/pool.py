"""The images of several splits as those of one, which is then divided anew."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from tlf.components import Split, Stamp
from tlf.data.inspection.readable import ask, subset
from tlf.data.listing.compact import Groups, Names, Numbers, alike, chosen
from tlf.data.listing.records import repeated_hashes
from tlf.data.splits import ReadFile


@dataclass(frozen=True)
class ReadEither:
    """Reads the images of several splits, one split after the other. Picklable where these are."""

    splits: tuple[Split, ...]

    def __call__(self, index: int) -> bytes:
        """The bytes of one image."""
        read, place = self.within(index)
        return read(place)

    def stamp(self, index: int) -> Stamp | None:
        """What the file system says about one image, if it is a file of its own."""
        read, place = self.within(index)
        found: Stamp | None = ask(read, "stamp", place)
        return found

    def digest(self, index: int) -> bytes | None:
        """The SHA-256 of one image, if it is known without reading."""
        read, place = self.within(index)
        found: bytes | None = ask(read, "digest", place)
        return found

    def size(self, index: int) -> int | None:
        """The bytes of one image, if their number is known without reading."""
        read, place = self.within(index)
        found: int | None = ask(read, "size", place)
        return found

    def within(self, index: int) -> tuple[Callable[[int], bytes], int]:
        """What reads an image, and its index there."""
        place = index
        for split in self.splits:
            if place < len(split):
                return split.read, place
            place -= len(split)
        raise IndexError(f"there is no image {index}")


def pooled(splits: Sequence[Split]) -> Split:
    """The images of the train split, and maybe those of the eval split behind them. Where both use
    the same names, these begin with ``train/`` and ``eval/``: a name is unique in a split.
    """
    first, *others = splits
    if not others:
        return first
    names = Names(name for split in splits for name in split.names)
    read = _read(splits, names)
    if _repeated(names):
        titled = zip(("train", "eval"), splits, strict=True)
        names = Names(f"{title}/{name}" for title, split in titled for name in split.names)
    labels = alike(first.labels, chain.from_iterable(split.labels for split in splits))
    return Split(names, labels, read, groups=_groups(splits))


def part(pool: Split, positions: Iterable[int]) -> Split:
    """Some of the images as a split. Of files, they are still files to the engine."""
    kept = Numbers(positions)
    some, read = subset(pool, kept), pool.read
    if not isinstance(read, ReadFile):
        return some
    names = some.names if read.names is pool.names else chosen(read.names, kept)
    return replace(some, read=ReadFile(read.root, names))


def _read(splits: Sequence[Split], names: Names) -> Callable[[int], bytes]:
    """What reads all the images, of these names: as files, where they are below one folder."""
    files = [split.read for split in splits if isinstance(split.read, ReadFile)]
    if len(files) < len(splits) or len({read.root for read in files}) > 1:
        return ReadEither(tuple(splits))
    same = all(read.names is split.names for read, split in zip(files, splits, strict=True))
    return ReadFile(files[0].root, names if same else Names(n for f in files for n in f.names))


def _groups(splits: Sequence[Split]) -> Groups | None:
    """The group of each image, where all splits know it."""
    known = [split.groups for split in splits if split.groups is not None]
    return Groups(chain.from_iterable(known)) if len(known) == len(splits) else None


def _repeated(names: Sequence[str]) -> bool:
    """Whether a name is there twice. Only names of the same hash are compared."""
    again = repeated_hashes(names)
    alike = [name for name in names if hash(name) in again] if again else []
    return len({*alike}) < len(alike)
