"""Byte ranges of files on the disk."""

import os
from functools import lru_cache
from threading import Lock

from tlf.data.ranges.addresses import changed
from tlf.errors import StorageError
from tlf.runtime.regular_file import check_regular

MOST_OPEN = 64
"""Files that a process keeps open for reading, at most."""


def look(path: str) -> tuple[int, str]:
    """The size of a file and its version, which changes when its bytes do.

    Raises:
        StorageError: there is no such file, or it cannot be read.
    """
    try:
        check_regular(path, 2**63 - 1)  # a pipe would be waited for
        file = _Descriptor(path)
        found = os.fstat(file.number)
    except OSError as error:
        raise _unreadable(path, error) from error
    return found.st_size, _version(found)


def read(path: str, version: str, start: int, length: int) -> bytes:
    """So many bytes of a file; fewer where it ends.

    Raises:
        StorageError: it cannot be read, or is another version.
    """
    try:
        file = _opened(path, version)
        parts, missing = [], length
        while missing and (part := _read_at(file.number, missing, start + length - missing)):
            parts.append(part)
            missing -= len(part)
        # Last: what was written while it was read is noticed, too.
        same = _version(os.fstat(file.number)) == version
    except OSError as error:
        raise _unreadable(path, error) from error
    if not same:
        _opened.cache_clear()
        raise StorageError(changed(path))
    return parts[0] if len(parts) == 1 else b"".join(parts)


class _Descriptor:
    """A file that is open until nothing uses it: who reads from it keeps it.

    Processes that fork may share it: `pread` reads by position and moves none.
    """

    def __init__(self, path: str) -> None:
        self.number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))

    def __del__(self) -> None:
        if hasattr(self, "number"):  # it could be opened
            os.close(self.number)


if hasattr(os, "pread"):
    _read_at = os.pread
else:  # on Windows, where no process forks
    _moving = Lock()

    def _read_at(number: int, length: int, start: int) -> bytes:
        with _moving:
            os.lseek(number, start, os.SEEK_SET)
            return os.read(number, length)


@lru_cache(MOST_OPEN)
def _opened(path: str, version: str) -> _Descriptor:
    return _Descriptor(path)


def _version(found: os.stat_result) -> str:
    return f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"


def _unreadable(path: str, error: OSError) -> StorageError:
    return StorageError(f"cannot read {path}: {error.strerror or error}")
