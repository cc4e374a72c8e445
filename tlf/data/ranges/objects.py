"""A large file in one version, from which byte ranges are read."""

from dataclasses import dataclass
from hashlib import sha256

from tlf.data.ranges import local
from tlf.errors import DataError


@dataclass(frozen=True)
class Object:
    """A file in one version. May be pickled, and used by several threads and processes at once."""

    address: str
    """As the recipe has it."""
    size: int
    """In bytes."""
    version: str
    """Changes when the bytes change, as far as the file's times or its server tell."""

    def read(self, start: int, length: int, digest: str | None = None) -> bytes:
        """Exactly ``length`` bytes from ``start`` on.

        Parameters:
            start: where they begin; the first byte of the file is 0.
            length: how many there are.
            digest: their SHA-256 in hexadecimal, where it is known: it notices other bytes of the
                same length under the same version.

        Raises:
            DataError: they cannot be read, or are others.
        """
        if start < 0 or length < 0 or start + length > self.size:
            raise DataError(
                f"{self.address} ends at byte {self.size:,}, but its bytes {start:,} to "
                f"{start + length:,} are needed; it was cut, or what lists them is older"
            )
        found = local.read(self.address, self.version, start, length) if length else b""
        if len(found) != length or (digest and sha256(found).hexdigest() != digest):
            raise DataError(
                f"the bytes {start:,} to {start + length:,} of {self.address} are not those that "
                "were first read; write the file again, or start with its new content"
            )
        return found


def open_object(address: str) -> Object:
    """Look at a file: its size and version. None of its bytes is read.

    Raises:
        DataError: there is no such file, or it cannot be read.
    """
    return Object(address, *local.look(address))
