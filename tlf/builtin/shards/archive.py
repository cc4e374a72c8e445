"""The members of an archive, in the order in which they stand there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tlf.builtin.shards.index import Place
from tlf.errors import DataError
from tlf.runtime.text import printable

AGAIN = "write it again"


class Readable(Protocol):
    """What gives bytes one after the other."""

    def read(self, size: int, /) -> bytes:
        """So many bytes; fewer at the end."""


@dataclass(frozen=True)
class Member:
    """A file in an archive."""

    name: str
    """Its path, without ``./`` at the beginning."""
    place: Place
    size: int
    """Its bytes, once unpacked."""
    open: Callable[[], Readable]
    """Begins to read it. Members are read one after the other."""


def tidy(address: str, name: str) -> str:
    """The path of a member without ``./`` at the beginning.

    Raises:
        DataError: it leads out of the archive.

    >>> tidy("a.tar", "./ants/1.jpg")
    'ants/1.jpg'
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise DataError(
            f"{address}: a member must have a path inside the archive, got {printable(name)!r}; "
            f"{AGAIN} with relative paths"
        )
    return "/".join(parts)


def refused(address: str, name: str, what: str, advice: str) -> DataError:
    """The error of a member that is no plain file."""
    return DataError(f"{address}: the member {printable(name)!r} is {what}; {advice}")
