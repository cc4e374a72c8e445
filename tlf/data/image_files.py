"""Image files on the disk: which files of a folder are images, and reading one.

Datasets and ``predict`` follow the same rules. A name decides what is an image. Hidden files and
folders are left out, and so is what operating systems leave. Links are followed.
"""

import os
from collections.abc import Iterator
from os import PathLike

from tlf.data.decoding.decode import SUFFIXES
from tlf.errors import DataError
from tlf.runtime.regular_file import read_regular

MOST_BYTES = 2**30
"""The most bytes that the file of an image may hold."""

_CLUTTER = frozenset(("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information"))
"""Folders that operating systems create. Hidden ones (.Trash) are skipped without a list."""


def read_image(path: str | PathLike[str]) -> bytes:
    """The bytes of an image file.

    Raises:
        OSError: it cannot be read, is no regular file, or is larger than ``MOST_BYTES``.
    """
    return read_regular(path, MOST_BYTES)


def is_image(name: str) -> bool:
    """Whether a file is an image by its name.

    >>> is_image("ants/1.JPG"), is_image("notes.txt")
    (True, False)
    """
    return os.path.splitext(name)[1].lower() in SUFFIXES


def is_visible(name: str) -> bool:
    """Whether a path has no part that is hidden or that an operating system has created.

    >>> is_visible("ants/1.jpg"), is_visible("__MACOSX/ants/1.jpg"), is_visible("ants/._1.jpg")
    (True, False, False)
    """
    return not any(part.startswith(".") or part in _CLUTTER for part in name.split("/"))


def files_below(folder: str, prefix: str = "") -> Iterator[str]:
    """The files in a folder and in its folders, in no order, as paths that begin with ``prefix``.

    A folder that several links lead to is visited once: links may lead in circles.

    Raises:
        DataError: a folder may not be read.
    """
    waiting, seen = [(folder, prefix)], set()
    while waiting:
        here, prefix = waiting.pop()
        entries = visible(here)
        status = os.stat(here)
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        for entry in reversed(entries):  # what is appended last is visited first
            name = f"{prefix}/{entry.name}" if prefix else entry.name
            if is_folder(entry):
                waiting.append((entry.path, name))
            else:
                yield name


def visible(folder: str | PathLike[str]) -> list[os.DirEntry[str]]:
    """What is in a folder and not hidden, sorted by name.

    Raises:
        DataError: it is missing, is no folder, or may not be read.
    """
    try:
        with os.scandir(os.fspath(folder)) as found:
            entries = [entry for entry in found if is_visible(entry.name)]
    except FileNotFoundError as error:
        raise DataError(
            f"there is no folder {folder}; set data.root to a folder that exists"
        ) from error
    except NotADirectoryError as error:
        raise DataError(f"{folder} is a file, not a folder; set data.root to a folder") from error
    except OSError as error:
        raise DataError(f"cannot read the folder {folder}: {error.strerror}") from error
    return sorted(entries, key=lambda entry: entry.name)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, or a link to one; a link to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False
