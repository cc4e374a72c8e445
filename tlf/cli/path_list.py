"""Paths that a command reads on stdin, such as those that ``find`` prints."""

import os
import sys
from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from tlf.errors import DataError

if TYPE_CHECKING:
    from io import BufferedReader

STDIN = "-"
"""Stands for the paths on stdin, among the paths of a command."""

LONGEST = 2**16
"""Bytes of a path, at most. Systems take 4,096."""


def read_paths(*, null: bool) -> Iterator[str]:
    """The paths on stdin, each as soon as it is read, with every byte as it is. The mark that
    Windows begins text with is left out.

    Parameters:
        null: whether paths end with NUL (``find -print0``), and not with the line.

    Raises:
        DataError: it is no list of paths.
    """
    end, rest = b"\0" if null else b"\n", b""
    block = _block().removeprefix(BOM_UTF8)
    while block:
        *whole, rest = (rest + block).split(end)
        for line in (*whole, *([rest] if len(rest) > LONGEST else [])):
            yield from _path(line, null=null)
        block = _block()
    yield from _path(rest, null=null)


def _block() -> bytes:
    """What can be read from stdin now; nothing at its end."""
    if sys.stdin is None:  # it was closed
        return b""
    try:
        return cast("BufferedReader", sys.stdin.buffer).read1(LONGEST)
    except OSError as error:
        raise DataError(
            f"stdin cannot be read: {error.strerror or error}; pipe a list of paths into it"
        ) from error


def _path(line: bytes, *, null: bool) -> Iterator[str]:
    """The path in a line, if it holds one."""
    line = line if null else line.rstrip(b"\r")
    if b"\0" in line:
        raise DataError(
            "stdin must hold a path a line, got a NUL byte; write -0 for the output of "
            "find -print0, and name an image by its path"
        )
    if len(line) > LONGEST:
        raise DataError(
            f"a path on stdin must have at most {LONGEST:,} bytes, got more; "
            + ("leave out -0 where paths end with the line" if null else "write a path a line")
        )
    if line:
        yield os.fsdecode(line)
