"""Rows of tables and records of text, each made where it is asked for: a list of a million of them
takes hundreds of bytes a row.
"""

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Any, Generic, TypeVar, overload

from tlf.data.listing.compact import growing

Record = TypeVar("Record")
Row = tuple[str, Sequence[str]]
"""Where a row is (``line 2``), and its cells."""


class Rows(Sequence[Row]):
    """The rows of a table, held column by column.

    >>> rows = Rows("line", [2, 4], [("a.jpg", "b.jpg"), ("ant", "bee")])
    >>> rows[1], len(rows)
    (('line 4', ['b.jpg', 'bee']), 2)
    """

    def __init__(self, noun: str, numbers: Sequence[int], columns: Sequence[Sequence[str]]) -> None:
        self._noun, self._numbers, self._columns = noun, numbers, columns

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return f"{self._noun} {self._numbers[index]}", [each[index] for each in self._columns]


class Records(Sequence[Record], Generic[Record]):
    """Records of a dataclass, of which every field of text is held in one block."""

    def __init__(self, kind: type[Record]) -> None:
        self._kind, self._count = kind, 0
        self._columns: dict[str, Any] = {}

    def append(self, record: Record) -> None:
        """Add a record."""
        for field in fields(self._kind):  # type: ignore[arg-type]  # a dataclass
            value = getattr(record, field.name)
            column = self._columns.get(field.name)
            if column is None:
                column = self._columns[field.name] = _column(value)
            column.append(value)
        self._count += 1

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self._kind(*(column[index] for column in self._columns.values()))

    def __iter__(self) -> Iterator[Record]:
        for values in zip(*self._columns.values(), strict=True):
            yield self._kind(*values)


def repeated_hashes(texts: Iterable[str]) -> Collection[int]:
    """The hashes that several texts have.

    >>> repeated_hashes(["a", "b", "a"]) == {hash("a")}
    True
    """
    hashes = sorted(array("q", map(hash, texts)))
    return {one for one, other in pairwise(hashes) if one == other}


class _Flags(bytearray):
    """Truth values, a byte each."""

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 - as that of a bytearray
        return bool(super().__getitem__(index))

    def __iter__(self) -> Iterator[Any]:
        return map(bool, super().__iter__())


def _column(value: object) -> Any:  # noqa: ANN401 - a sequence that grows
    """An empty column for values of the same type."""
    if isinstance(value, str):
        return growing()
    return _Flags() if isinstance(value, bool) else []
