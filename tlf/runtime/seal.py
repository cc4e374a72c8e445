"""A SHA-256 inside a safetensors file, over all its bytes.

The digest is a value in the file's JSON metadata, and its own 64 digits are read as zeros. So no
change goes unnoticed: not in a tensor, a name or the header's length.
"""

import os
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

DIGEST = "file_sha256"
"""The key of the digest in the JSON metadata. The JSON is itself a string of the header."""

BLANK = "0" * 64
"""Stands in the digest's place while it is computed."""

LONGEST_HEADER = 100_000_000
"""The largest header, in bytes, that the safetensors format allows."""

_PIECE = 2**20
"""Bytes of a file that are held at a time."""

_MARK = rf"{DIGEST}\": \"".encode()
"""The bytes before the digest in the header: JSON inside a JSON string. No text of a user can
contain them, because its quotes would be escaped once more."""


def seal(path: Path) -> None:
    """Write the digest into a file whose metadata holds ``BLANK`` in its place."""
    place, _, actual = _digests(path)
    with path.open("r+b") as file:
        file.seek(place)
        file.write(actual.encode())


def is_sealed(path: Path) -> bool:
    """Whether every byte of a file is as it was when it was sealed.

    Raises:
        OSError: it cannot be read.
    """
    try:
        _, stated, actual = _digests(path)
    except ValueError:  # it is empty, or ends within its header
        return False
    return stated == actual


def digest(data: bytes) -> str:
    """SHA-256 of a whole file, with zeros in place of its own digest.

    Raises:
        ValueError: the file ends within its header.
    """
    start = header(data)
    hashed = _begun(start)
    hashed.update(memoryview(data)[len(start) :])
    return hashed.hexdigest()


def _begun(start: bytes) -> "_Hash":
    """SHA-256 of a header, with zeros in place of the digest."""
    place = _place(start)
    return sha256(start[:place] + BLANK.encode() + start[place + len(BLANK) :])


def header(data: bytes) -> bytes:
    """The first bytes of a file: the header's length and the header.

    Raises:
        ValueError: the file ends within them.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    if end > len(data):
        raise ValueError("no header")
    return data[:end]


def _digests(path: Path) -> tuple[int, str, str]:
    """The place of a file's digest, the digest that stands there, and the digest of its bytes."""
    with path.open("rb") as file:
        length = file.read(8)
        rest = int.from_bytes(length, "little")
        if rest > os.fstat(file.fileno()).st_size:  # more than there is would take the memory
            raise ValueError("no header")
        start = header(length + file.read(rest))
        place, hashed = _place(start), _begun(start)
        while piece := file.read(_PIECE):
            hashed.update(piece)
        return place, start[place : place + len(BLANK)].decode("latin-1"), hashed.hexdigest()


def _place(header: bytes) -> int:
    """The position of the digest; beyond the header's end if it has none."""
    before, mark, _ = header.partition(_MARK)
    return len(before) + len(mark)
