"""Sequences of text and of whole numbers without a Python object for each element: blocks of memory
that processes share after a fork, as nothing counts references in them.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import eq
from typing import Any, overload

_FAITHFUL = "surrogatepass"
"""A name may hold what stands for bytes that are not UTF-8: it is kept."""


class Names(Sequence[str]):
    """Names, as a tuple of them would be: in one block of UTF-8, and 8 bytes for each.

    >>> names = Names(["ants/1.jpg", "bees/1.jpg"])
    >>> names[1], names[:1], names == ("ants/1.jpg", "bees/1.jpg")
    ('bees/1.jpg', Names('ants/1.jpg'), True)
    """

    _block: bytes | bytearray
    _ends: "array[int]"

    def __init__(self, names: Iterable[str] = ()) -> None:
        grown = growing(names)
        self._block, self._ends = bytes(grown._block), grown._ends

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "Names": ...
    def __getitem__(self, index: int | slice) -> "str | Names":
        if isinstance(index, slice):
            return Names(self[i] for i in range(*index.indices(len(self))))
        place = range(len(self._ends))[index]
        start = self._ends[place - 1] if place else 0
        return self._block[start : self._ends[place]].decode("utf-8", _FAITHFUL)

    def __iter__(self) -> Iterator[str]:
        start = 0
        for end in self._ends:
            yield self._block[start:end].decode("utf-8", _FAITHFUL)
            start = end

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Names):
            return self._block == other._block and self._ends == other._ends
        return _equals(self, other) if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Names({_shown(self)})"


class GrowingNames(Names):
    """Names that are added one by one."""

    def __init__(self) -> None:
        self._block, self._ends = bytearray(), array("Q")

    def append(self, name: str) -> None:
        """Add a name."""
        self._block += name.encode("utf-8", _FAITHFUL)
        self._ends.append(len(self._block))


def growing(names: Iterable[str] = ()) -> GrowingNames:
    """Names to which others can be added."""
    grown = GrowingNames()
    for name in names:
        grown.append(name)
    return grown


class Numbers(Sequence[int]):
    """Whole numbers, such as the index of each image's class, as a tuple of them would be: 4 bytes
    each. They may be given as bytes, of int32.

    >>> numbers = Numbers([0, 1, 1])
    >>> numbers[2], numbers[:2], numbers == (0, 1, 1)
    (1, Numbers(0, 1), True)
    """

    def __init__(self, numbers: Iterable[int] | bytes = ()) -> None:
        self._values = array("i", numbers)

    def __len__(self) -> int:
        return len(self._values)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> "Numbers": ...
    def __getitem__(self, index: int | slice) -> "int | Numbers":
        found = self._values[index]
        return found if isinstance(found, int) else Numbers(found)

    def __iter__(self) -> Iterator[int]:
        return iter(self._values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:  # noqa: ANN401 - NumPy's own
        """For NumPy, which would ask for each of them otherwise."""
        import numpy as np

        return np.array(self._values, dtype=dtype)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Numbers):
            return self._values == other._values
        return _equals(self, other) if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Numbers({_shown(self)})"


class Groups(Sequence[str]):
    """The group of each image, as a tuple of their names would be: 4 bytes each, and each name
    once.

    >>> groups = Groups(["ann", "bob", "ann"])
    >>> groups[2], groups.numbers, groups.names
    ('ann', Numbers(0, 1, 0), Names('ann', 'bob'))
    """

    def __init__(self, groups: Iterable[str] = ()) -> None:
        place: dict[str, int] = {}
        self.numbers = Numbers(place.setdefault(group, len(place)) for group in groups)
        """The number of each image's group, in the order in which groups come first."""
        self.names = Names(place)
        """The name of each number."""

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "Groups": ...
    def __getitem__(self, index: int | slice) -> "str | Groups":
        found = self.numbers[index]
        if isinstance(found, int):
            return self.names[found]
        return Groups(self.names[number] for number in found)

    def __iter__(self) -> Iterator[str]:
        return map([*self.names].__getitem__, self.numbers)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Groups):
            return self.numbers == other.numbers and self.names == other.names
        return _equals(self, other) if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Groups({_shown(self)})"


def chosen(values: Sequence[Any], indices: Iterable[int]) -> Sequence[Any]:
    """Some elements of a sequence, in a sequence of its kind: a tuple of what is not compact.

    >>> chosen(Numbers([4, 5, 6]), [2, 0]), chosen(["a", "b"], [1])
    (Numbers(6, 4), ('b',))
    """
    return alike(values, (values[index] for index in indices))


def alike(values: Sequence[Any], others: Iterable[Any]) -> Sequence[Any]:
    """Other elements in a sequence of the same kind: in a tuple, where that is not compact."""
    for kind in (Names, Numbers, Groups):
        if isinstance(values, kind):
            return kind(others)
    return tuple(others)


def _equals(own: Sequence[Any], other: Sequence[Any]) -> bool:
    return len(own) == len(other) and all(map(eq, own, other))


def _shown(values: Sequence[Any], most: int = 6) -> str:
    """The first elements, and how many more there are."""
    more = [f"and {len(values) - most:,} more"] if len(values) > most else []
    return ", ".join(chain(map(repr, values[:most]), more))
