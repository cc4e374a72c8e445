"""The images of a split: of all its shards, in an order that does not depend on which shard holds
which image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from tlf.builtin.shards.formats import read_member
from tlf.builtin.shards.index import Index, Place, Texts, texts
from tlf.components import Split
from tlf.data.listing.compact import Names, Numbers
from tlf.data.ranges import Object
from tlf.data.splits import failure, listed
from tlf.runtime.text import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Positions = NDArray[np.int64]

_MOST_NAMED = 5
"""How many names and shards an error shows at most."""


@dataclass(frozen=True, eq=False)
class Members:
    """The images of all shards of a split."""

    shards: tuple[Object, ...]
    index: Index
    shard: "NDArray[np.int32]"
    """(N,): positions in ``shards``."""
    named: bool = True
    """Whether images have names of their own, not those of shards and rows."""

    def by_class(self, classes: Mapping[str, str]) -> "dict[str, Positions]":
        """Class → its rows, by name. ``classes``: label as the shards have it → class."""
        import numpy as np

        names = sorted({*classes.values()})
        numbers = {name: number for number, name in enumerate(names)}
        known = np.array([numbers[classes[value]] for value in self.index.values], dtype=np.int64)
        labels = known[self.index.labels]
        order = np.argsort(labels, kind="stable")
        bounds = np.searchsorted(labels[order], range(len(names) + 1))
        parts = [order[bounds[k] : bounds[k + 1]] for k in range(len(names))]
        return {
            name: self._sorted(rows) for name, rows in zip(names, parts, strict=True) if len(rows)
        }

    def _sorted(self, rows: "Positions") -> "Positions":
        import numpy as np

        if not self.named:
            return rows  # "train.parquet[10]" is behind "train.parquet[9]"
        return np.array(sorted(rows.tolist(), key=self.index.names.__getitem__), dtype=np.int64)

    def split(self, groups: "Mapping[str, Positions]", classes: Sequence[str]) -> Split:
        """The rows of ``groups``, class by class; labels are positions in ``classes``."""
        import numpy as np

        parts = [(label, groups[name]) for label, name in enumerate(classes) if name in groups]
        rows = np.concatenate([rows for _, rows in parts]) if parts else np.empty(0, np.int64)
        labels = Numbers(label for label, part in parts for _ in range(len(part)))
        names, index = Names(map(self.index.names.__getitem__, rows)), self.index
        columns = (self.shard, index.places, index.sizes, index.digests)
        read = ReadMember(self.shards, index.column, *(column[rows] for column in columns))
        return Split(names, labels, read)


@dataclass(frozen=True, eq=False)
class ReadMember:
    """Reads an image from its shard. Picklable. Equal where it reads the same bytes."""

    shards: tuple[Object, ...]
    column: str
    """The column of images in parquet files; empty for archives."""
    shard: "NDArray[np.int32]"
    """(N,): positions in ``shards``."""
    places: "NDArray[np.int64]"
    """(N, 3): where each image is."""
    sizes: "NDArray[np.int64]"
    """(N,): the bytes of each image."""
    digests: "NDArray[np.uint8]"
    """(N, 32): their SHA-256."""

    def __call__(self, index: int) -> bytes:
        """The bytes of an image.

        Raises:
            DataError: they cannot be read, or are others than its index says.
        """
        source, place = self.shards[self.shard[index]], Place(*self.places[index].tolist())
        return read_member(source, self.column, place, self.size(index), self.digest(index))

    def __eq__(self, other: object) -> bool:
        import numpy as np

        if not isinstance(other, ReadMember):
            return NotImplemented
        pairs = zip(self._columns, other._columns, strict=True)
        known = (self.shards, self.column) == (other.shards, other.column)
        return known and all(np.array_equal(own, its) for own, its in pairs)

    def __hash__(self) -> int:
        return hash((self.shards, self.column, len(self.shard)))

    @property
    def _columns(self) -> "tuple[NDArray[Any], ...]":
        return self.shard, self.places, self.sizes, self.digests

    def digest(self, index: int) -> bytes:
        """The SHA-256 of an image, which is not read for it."""
        return bytes(self.digests[index])

    def size(self, index: int) -> int:
        """How many bytes an image has."""
        return int(self.sizes[index])


def members_of(where: str, shards: Sequence[Object], indexes: Sequence[Index]) -> Members:
    """The images of all shards of a split.

    Raises:
        DataError: a shard holds none, shards have other schemes, or names are there twice.
    """
    import numpy as np

    first, each = indexes[0], [*zip(shards, indexes, strict=True)]
    empty = [source.shown for source, index in each if not len(index)]
    unlike = [(source, index.scheme) for source, index in each if index.scheme != first.scheme]
    if empty:
        advice = "leave it out, or set data.image"
        raise failure(where, [f"{listed(empty, _MOST_NAMED)} must hold images, got none; {advice}"])
    if unlike:
        source, scheme = unlike[0]
        raise failure(
            where,
            [
                f"all shards must be alike: in {source.shown} {scheme}, in {shards[0].shown} "
                f"{first.scheme}; write them in one way"
            ],
        )
    counts = [len(index) for index in indexes]
    shard = np.repeat(np.arange(len(shards), dtype=np.int32), counts)
    found = Members(tuple(shards), _joined(indexes), shard)
    return _with_rows_as_names(found) if first.column else _with_names(where, found)


def _joined(indexes: Sequence[Index]) -> Index:
    """The images of several shards as those of one."""
    import numpy as np

    if len(indexes) == 1:
        return indexes[0]
    values: dict[str, int] = {}
    labels, ends, length = [], [], 0
    for index in indexes:
        numbers = [values.setdefault(value, len(values)) for value in index.values]
        labels.append(np.array(numbers, dtype=np.int32)[index.labels])
        ends.append(index.names.ends + length)
        length += len(index.names.block)
    names = Texts(b"".join(index.names.block for index in indexes), np.concatenate(ends))
    places, sizes, digests = (
        np.concatenate([getattr(index, column) for index in indexes])
        for column in ("places", "sizes", "digests")
    )
    return replace(
        indexes[0], names=names, places=places, sizes=sizes, labels=np.concatenate(labels),
        digests=digests, values=tuple(values),
    )  # fmt: skip


def _with_names(where: str, found: Members) -> Members:
    """The same images, whose names are checked.

    Raises:
        DataError: a name is there twice.
    """
    pairs = _doubled(found.index.names)
    problems = [
        f"{printable(found.index.names[one])!r} is in {found.shards[found.shard[one]].shown} and "
        f"again in {found.shards[found.shard[other]].shown}"
        for one, other in pairs[:_MOST_NAMED]
    ]
    if len(pairs) > _MOST_NAMED:
        problems.append(f"{len(pairs) - _MOST_NAMED:,} more names are there again")
    if problems:
        raise failure(where, [*problems, "write each image once, under a name of its own"])
    return found


def _with_rows_as_names(found: Members) -> Members:
    """The images of parquet files: named by their paths, where each has one of its own; else by
    shard and row.
    """
    import numpy as np

    names = found.index.names
    if all(names) and not _doubled(names):
        return found
    addresses = [source.shown for source in found.shards]
    bases = [address.rpartition("/")[2] for address in addresses]
    short = bases if len({*bases}) == len(bases) else addresses
    first = np.searchsorted(found.shard, range(len(short)))
    rows = texts(
        f"{short[shard]}[{row - first[shard]}]" for row, shard in enumerate(found.shard.tolist())
    )
    return replace(found, index=replace(found.index, names=rows), named=False)


def _doubled(names: Texts) -> list[tuple[int, int]]:
    """The positions of names that are equal, in pairs."""
    import numpy as np

    digests = bytearray()  # of names, which may be long
    for name in names:
        digests += blake2b(name.encode(errors="surrogateescape"), digest_size=16).digest()
    keys = np.frombuffer(digests, dtype="S16")
    order = np.argsort(keys, kind="stable")
    same = np.flatnonzero(keys[order][1:] == keys[order][:-1])
    return list(zip(order[same].tolist(), order[same + 1].tolist(), strict=True))
