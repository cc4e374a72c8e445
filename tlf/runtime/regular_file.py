"""Files that a user names are opened with care: a pipe would be waited for without end, a device
may never end, and a file of holes may claim more bytes than the machine has memory.
"""

import os
import stat
from errno import EFBIG, EINVAL
from os import PathLike

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotRegularError(OSError):
    """It is no regular file, or a larger one than is read."""


def read_regular(path: str | PathLike[str], most: int | None = None) -> bytes:
    """The bytes of a regular file.

    Parameters:
        path: the file.
        most: the most bytes that it may hold; by default as many as the machine has memory.

    Raises:
        NotRegularError: it is no regular file, or larger.
        OSError: it cannot be read.
    """
    check_regular(path, most)  # opening a device may already have an effect
    with open(path, "rb", opener=_without_waiting) as file:
        return file.read(_checked_size(os.fstat(file.fileno()), most))


def check_regular(path: str | PathLike[str], most: int | None = None) -> None:
    """Check a file before a library opens it.

    Raises:
        NotRegularError: it is no regular file, or holds more than ``most`` bytes.
        OSError: it cannot be found.
    """
    try:
        _checked_size(os.stat(path), most)
    except ValueError as error:  # a zero byte in the name
        raise NotRegularError(EINVAL, "its name must have no zero byte") from error


def _checked_size(found: os.stat_result, most: int | None) -> int:
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise NotRegularError(EINVAL, f"it must be a regular file, got {kind}")
    limit = _memory() if most is None else most
    if found.st_size > limit:
        raise NotRegularError(EFBIG, f"it must hold at most {limit:,} bytes, got {found.st_size:,}")
    return found.st_size


def _without_waiting(path: str, flags: int) -> int:
    # Something else may have taken the name since: a pipe is then opened, but not waited for.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _memory() -> int:
    """How many bytes of memory the machine has; without a limit where it does not say."""
    if not hasattr(os, "sysconf"):
        return 2**63 - 1
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
