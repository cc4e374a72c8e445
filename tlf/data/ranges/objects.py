"""A large file in one version, from which byte ranges are read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from tlf.data.ranges.addresses import changed, other_bytes, scheme, shown
from tlf.errors import StorageError


@dataclass(frozen=True)
class Object:
    """A file in one version. May be pickled, and used by several threads and processes at once."""

    address: str = field(repr=False)
    """As the recipe has it. It may hold a password: ``shown`` is for messages."""
    size: int
    """In bytes."""
    version: str
    """Changes when the bytes change, as far as the file's times or its server tell."""

    @property
    def shown(self) -> str:
        """The address without passwords and signatures."""
        return shown(self.address)

    def read(self, start: int, length: int, digest: str | None = None) -> bytes:
        """Exactly ``length`` bytes from ``start`` on.

        Parameters:
            start: where they begin; the first byte of the file is 0.
            length: how many there are.
            digest: their SHA-256 in hexadecimal, where it is known: it notices other bytes of the
                same length under the same version.

        Raises:
            StorageError: they cannot be read, or are others.
        """
        if start < 0 or length < 0 or start + length > self.size:
            raise StorageError(
                f"{self.shown} ends at byte {self.size:,}, but its bytes {start:,} to "
                f"{start + length:,} are needed; it was cut, or what lists them is older"
            )
        reader = _reader(self.address)
        found = reader.read(self.address, self.version, start, length) if length else b""
        if not (digest or reader.tells or open_object(self.address) == self):
            raise StorageError(changed(self.address))
        if len(found) != length or (digest and sha256(found).hexdigest() != digest):
            raise StorageError(
                other_bytes(self.address, f"the bytes {start:,} to {start + length:,}")
            )
        return found


def open_object(address: str) -> Object:
    """Look at a file: its size and version.

    Raises:
        StorageError: there is no such file, or no ranges of it can be read.
    """
    return Object(address, *_reader(address).look(address))


class _Reader(NamedTuple):
    """What reads addresses of a scheme."""

    look: Callable[[str], tuple[int, str]]
    read: Callable[[str, str, int, int], bytes]
    tells: bool
    """Whether ``read`` notices that the file is another version."""


def _reader(address: str) -> _Reader:
    """Only what is used is imported."""
    match scheme(address):
        case "":
            from tlf.data.ranges import local

            return _Reader(local.look, local.read, tells=True)
        case "http" | "https":
            from tlf.data.ranges import http

            return _Reader(http.look, http.read, tells=True)
        case _:
            from tlf.data.ranges import filesystems

            return _Reader(filesystems.look, filesystems.read, tells=False)
