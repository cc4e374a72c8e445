"""Entries that are not whole: being written, left by a killed process, or being removed.

The process that begins an entry holds a lock until the entry is whole. The system releases it when
the process ends, however it ends: a partial entry without a lock is abandoned and can be removed.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import Any

_PREFIX = ".partial-"
_GRACE = 60.0
"""Seconds in which an entry without a lock file is kept: its owner may be about to lock it."""


@dataclass(frozen=True)
class Partial:
    """An entry that is being written, by one process or by several."""

    folder: Path
    owner: Any = None
    """The locked file of the process that began it; None in processes that only write."""

    @cached_property
    def _opened(self) -> int:
        return os.open(self.folder / "data", os.O_RDWR | os.O_CREAT, 0o644)

    def open(self) -> None:
        """Open the file before threads write to it: otherwise each thread could open it anew.

        Raises:
            OSError: it is removed, or cannot be written to.
        """
        _ = self._opened

    def write(self, start: int, data: "memoryview | bytes") -> None:
        """Write bytes at a position.

        Raises:
            OSError: the disk is full or fails.
        """
        view = memoryview(data).cast("B")
        while view:
            written = os.pwrite(self._opened, view, start)
            view, start = view[written:], start + written

    def read(self, start: int, length: int) -> None:
        """Read what was written, to see how long it takes.

        Raises:
            OSError: the disk fails.
        """
        os.preadv(self._opened, [bytearray(length)], start)

    def leave_memory(self) -> None:
        """Have what was written on the disk alone, where the system can do that.

        Raises:
            OSError: the disk is full or fails.
        """
        os.fsync(self._opened)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._opened, 0, 0, os.POSIX_FADV_DONTNEED)

    def close(self) -> None:
        """Close the file: this process has written its shard."""
        if "_opened" in vars(self):
            os.close(vars(self).pop("_opened"))

    def publish(self, final: Path) -> bool:
        """Rename it to its final name. If another process was faster, its entry stays: False.

        Raises:
            OSError: the disk fails.
        """
        (self.folder / "lock").unlink()
        try:
            _rename(self.folder, final)
        except (FileExistsError, NotADirectoryError):
            return False
        finally:
            self.discard()
        return True

    def discard(self) -> None:
        """Remove its files, and release the lock."""
        self.close()
        remove(self.folder)
        if self.owner is not None:
            self.owner.close()


@contextmanager
def one_at_a_time(root: Path) -> Iterator[None]:
    """Lock the folder of the cache: one process at a time makes room, begins or publishes."""
    import fcntl

    handle = os.open(root, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems lock no folders
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def begin_partial(root: Path, size: int, kind: str) -> Partial:
    """An empty partial entry of a kind for ``size`` bytes, owned by this process.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder = root / f"{_PREFIX}{kind}-{os.getpid()}-{token_hex(8)}"
    folder.mkdir()  # with the usual permissions, unlike those of mkdtemp
    partial = Partial(folder, owner=_locked(folder, size))
    partial.open()
    return partial


def remove(folder: Path) -> bool:
    """Rename an entry, so that no process finds half of it, then remove its files. Return whether
    it is removed: an entry of another user is not.
    """
    renamed = folder.with_name(f"{_PREFIX}removed-{os.getpid()}-{folder.name}")
    if folder.is_dir() and not is_ours(folder):
        return False
    try:
        folder.rename(renamed)
    except (FileNotFoundError, FileExistsError):
        renamed = folder
    except PermissionError:
        return False
    shutil.rmtree(renamed, ignore_errors=True)
    return not folder.exists()


def is_ours(folder: Path) -> bool:
    """Whether this user may remove the files in a folder."""
    return os.access(folder, os.W_OK)


def clear_abandoned(root: Path) -> int:
    """Remove partial entries of killed processes. Return how many bytes that frees."""
    freed = 0
    for folder in root.glob(f"{_PREFIX}*"):
        if not _is_locked(folder):
            size = size_of(folder)
            shutil.rmtree(folder, ignore_errors=True)
            freed += 0 if folder.exists() else size
    return freed


def being_written(root: Path, kind: str = "") -> int:
    """Bytes that running processes will write, as far as this user can see; of one kind, or all."""
    partial = root.glob(f"{_PREFIX}{kind}*")
    return sum(_announced(folder) for folder in partial if _is_locked(folder))


def size_of(folder: Path) -> int:
    """Bytes of all files of an entry except its lock, as far as this user can see."""
    size = 0
    for file in folder.glob("*"):
        with suppress(PermissionError, FileNotFoundError):
            size += file.stat().st_size if file.name != "lock" else 0
    return size


def _locked(folder: Path, size: int) -> Any:  # noqa: ANN401 - a file
    """Lock a partial entry while this process runs; the lock file has the size it will have."""
    import fcntl

    file = (folder / "lock").open("w")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    file.write(str(size))
    file.flush()
    return file


def _announced(folder: Path) -> int:
    try:
        return int((folder / "lock").read_text())
    except (OSError, ValueError):  # it was just removed, or belongs to another user
        return 0


def _is_locked(folder: Path) -> bool:
    import fcntl

    try:
        with (folder / "lock").open("r") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # being written, or of another user
        return True
    except FileNotFoundError:
        # It is being removed, or its owner has not locked it yet.
        return folder.is_dir() and time.time() - folder.stat().st_mtime < _GRACE
    return False


def _rename(partial: Path, final: Path) -> None:
    try:
        partial.rename(final)
    except OSError as error:
        # If the folder exists, the error is ENOTEMPTY or EEXIST, depending on the file system.
        if final.is_dir():
            raise FileExistsError(str(final)) from error
        raise
