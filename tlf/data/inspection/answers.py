"""What a function answers about very many images: bytes for each, and a note about some."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Note = TypeVar("Note")

DIGEST = 32
"""Bytes of a SHA-256."""


@dataclass
class Answers(Generic[Note]):
    """The answers of one process, in the order in which they came."""

    width: int
    """Bytes for each image."""
    rows: bytearray
    """Of so many images as the process will answer about, zeros first."""
    indices: "array[int]" = field(default_factory=lambda: array("i"))
    notes: dict[int, Note] = field(default_factory=dict)

    def add(self, index: int, row: bytes, note: Note | None) -> None:
        """Add an answer: ``row`` is empty where there is none."""
        if row:
            start = len(self.indices) * self.width
            self.rows[start : start + self.width] = row
        self.indices.append(index)
        if note:
            self.notes[index] = note


def in_order(
    parts: Iterable[Answers[Note]], count: int, width: int
) -> "tuple[NDArray[np.uint8], dict[int, Note]]":
    """The answers of several processes together: rows (N, width), zeros where none has answered,
    and index → note.
    """
    import numpy as np

    every = [*parts]
    notes = {index: note for part in every for index, note in part.notes.items()}
    if len(every) == 1 and every[0].indices == array("i", range(count)):  # nothing is copied
        rows = np.frombuffer(every[0].rows, np.uint8).reshape(count, width)
    else:
        rows = np.zeros((count, width), np.uint8)
        for part in every if width else ():
            own = np.frombuffer(part.rows, np.uint8).reshape(-1, width)
            rows[np.array(part.indices, np.int64)] = own[: len(part.indices)]
    return rows, dict(sorted(notes.items()))


class Digests(Sequence[bytes]):
    """SHA-256 of every image, in one block; empty where it is not known.

    >>> digests = Digests(bytes(32) + bytes(range(32)))
    >>> digests[0], digests[1] == bytes(range(32)), len(digests)
    (b'', True, 2)
    """

    def __init__(self, block: bytes) -> None:
        self._block = block

    def __len__(self) -> int:
        return len(self._block) // DIGEST

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        places = range(len(self))[index]
        if isinstance(places, range):
            return [self[place] for place in places]
        found = self._block[DIGEST * places : DIGEST * (places + 1)]
        return b"" if found == _UNKNOWN else found

    def __eq__(self, other: object) -> bool:
        return self._block == other._block if isinstance(other, Digests) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._block)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:  # noqa: ANN401 - NumPy's own
        """(N, 32) for NumPy, as bytes."""
        import numpy as np

        return np.frombuffer(self._block, np.uint8).reshape(-1, DIGEST)


_UNKNOWN = bytes(DIGEST)


def compact(digests: Iterable[bytes]) -> Digests:
    """The same in one block."""
    return Digests(b"".join(digest or _UNKNOWN for digest in digests))


def repeated(*parts: Sequence[bytes]) -> Iterator[tuple[int, int, bytes]]:
    """The images whose bytes several images may have, in their order: the number of the part, the
    index in it, and the digest. Only the first bytes of digests are compared.
    """
    import numpy as np

    blocks = [np.asarray(part if isinstance(part, Digests) else compact(part)) for part in parts]
    first = np.concatenate([block[:, :8].copy().view(np.uint64)[:, 0] for block in blocks])
    ordered = np.sort(first)
    several = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    # Sorted: for numbers above 2^63, NumPy 2.0 cannot do it in another way.
    places = np.flatnonzero(np.isin(first, several, kind="sort"))
    ends = np.cumsum([len(part) for part in parts])
    for place in places:
        number = int(np.searchsorted(ends, place, side="right"))
        index = int(place - (ends[number - 1] if number else 0))
        if digest := parts[number][index]:
            yield number, index, digest
