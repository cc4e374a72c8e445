"""The member index of shards: where each image is, its label and the hash of its bytes. Arrays hold
it, and no Python object per image.
"""

import json
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, overload
from zipfile import BadZipFile

from tlf.data.label_sets.as_text import names_of
from tlf.runtime.regular_file import check_regular
from tlf.runtime.strict_json import dumps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FAITHFUL = "surrogateescape"
"""Bytes of a name that are not UTF-8 stay what they are."""
_COLUMNS = ("places", "sizes", "labels", "digests")
_NOTED = ("values", "scheme", "column")


class Place(NamedTuple):
    """Where the bytes of an image are, as the format of its shard has it."""

    first: int
    """The position of its first byte in an archive; the row group in a parquet file."""
    second: int
    """The bytes that it takes in an archive; the row in the row group of a parquet file."""
    packed: int = 0
    """1 where an archive has compressed it."""


@dataclass(frozen=True, eq=False)
class Texts(Sequence[str]):
    """Texts in one block of bytes."""

    block: bytes | bytearray
    ends: "NDArray[np.int64]"
    """Where each of them ends."""

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "Sequence[str]": ...
    def __getitem__(self, index: int | slice) -> "str | Sequence[str]":
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        start = int(self.ends[row - 1]) if row else 0
        return self.block[start : int(self.ends[row])].decode(errors=_FAITHFUL)


def texts(each: Iterable[str]) -> Texts:
    """Texts, which are taken one by one."""
    import numpy as np

    block, ends = bytearray(), array("q")
    for text in each:
        block += text.encode(errors=_FAITHFUL)
        ends.append(len(block))
    return Texts(block, np.frombuffer(ends, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class Index:
    """The images of a shard."""

    names: Texts
    """Paths in an archive. In a parquet file they may be empty."""
    places: "NDArray[np.int64]"
    """(N, 3): `Place`."""
    sizes: "NDArray[np.int64]"
    """(N,): the bytes of each image."""
    labels: "NDArray[np.int32]"
    """(N,): positions in ``values``."""
    digests: "NDArray[np.uint8]"
    """(N, 32): SHA-256 of each image."""
    values: tuple[str, ...]
    """The labels as the shard has them: names or numbers."""
    scheme: str
    """Where images and labels stand in the shard, for a person: it is the same in all shards of a
    split."""
    column: str = ""
    """The column of images in a parquet file; empty for an archive."""
    several: bool = False
    """Whether an image has any number of classes: ``values`` are texts of them together."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def every_label(self) -> tuple[str, ...]:
        """Each label once, whatever others an image has beside it."""
        if not self.several:
            return self.values
        return (*dict.fromkeys(name for text in self.values for name in names_of(text)),)


@dataclass
class GrowingIndex:
    """The images of a shard, while it is read."""

    names: bytearray = field(default_factory=bytearray)
    ends: "array[int]" = field(default_factory=lambda: array("q"))
    places: "array[int]" = field(default_factory=lambda: array("q"))
    sizes: "array[int]" = field(default_factory=lambda: array("q"))
    labels: "array[int]" = field(default_factory=lambda: array("i"))
    digests: bytearray = field(default_factory=bytearray)
    values: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, place: Place, size: int, digest: bytes, label: str) -> None:
        """One image."""
        self.names += name.encode(errors=_FAITHFUL)
        self.ends.append(len(self.names))
        self.places.extend(place)
        self.sizes.append(size)
        self.digests += digest
        self.labels.append(self.values.setdefault(label, len(self.values)))

    def index(self, scheme: str, column: str = "", *, several: bool = False) -> Index:
        """All of them. No more can be added: the memory is the same."""
        import numpy as np

        return Index(
            Texts(self.names, np.frombuffer(self.ends, dtype=np.int64)),
            np.frombuffer(self.places, dtype=np.int64).reshape(-1, 3),
            np.frombuffer(self.sizes, dtype=np.int64),
            np.frombuffer(self.labels, dtype=np.int32),
            np.frombuffer(self.digests, dtype=np.uint8).reshape(-1, 32),
            tuple(self.values),
            scheme,
            column,
            several,
        )


def write_index(path: Path, index: Index, about: Mapping[str, Any]) -> None:
    """Write an index to a file. ``about``: what it is the index of, as JSON values.

    Raises:
        OSError: the disk is full or fails.
    """
    import numpy as np

    note = {"about": {**about, **_kind(index)}, **{name: getattr(index, name) for name in _NOTED}}
    np.savez(
        path,
        **{name: getattr(index, name) for name in _COLUMNS},
        ends=index.names.ends,
        names=np.frombuffer(index.names.block, dtype=np.uint8),
        note=np.frombuffer(dumps(note).encode(), dtype=np.uint8),
    )


def read_index(path: Path, about: Mapping[str, Any]) -> Index | None:
    """The index in a file; None if there is none, it is damaged, or about something else."""
    import numpy as np

    try:
        check_regular(path)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            note = json.loads(found["note"].tobytes())
            names = Texts(found["names"].tobytes(), found["ends"])
            places, sizes, labels, digests = (found[name] for name in _COLUMNS)
        values, scheme, column = (note[name] for name in _NOTED)
        several = "several" in note["about"]
    except (BadZipFile, OSError, EOFError, ValueError, KeyError, TypeError):
        return None
    index = Index(names, places, sizes, labels, digests, tuple(values), scheme, column, several)
    return index if note["about"] == {**about, **_kind(index)} and _fits(index) else None


def _kind(index: Index) -> dict[str, bool]:
    """What else an index is about where images have several classes: a tlf that does not know them
    takes no such index, and indexes of one class for each image stay as they were.
    """
    return {"several": True} if index.several else {}


def _fits(index: Index) -> bool:
    """Whether the columns are as long as each other."""
    count = len(index)
    shapes = [getattr(index, name).shape for name in _COLUMNS]
    return shapes == [(count, 3), (count,), (count,), (count, 32)]
