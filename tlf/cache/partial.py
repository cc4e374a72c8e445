"""Entries that are not whole: being written, left by a writer that was killed, or being removed."""

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
"""Seconds for which an entry without a lock is taken for one that has just been begun."""


@dataclass(frozen=True)
class Partial:
    """An entry that is being written, by one process or by several."""

    folder: Path
    owner: Any = None
    """The lock that says that its owner lives; None in the processes that only write."""

    @cached_property
    def _opened(self) -> int:
        return os.open(self.folder / "data", os.O_WRONLY | os.O_CREAT, 0o644)

    def open(self) -> None:
        """This process begins to write. Threads that do are started later: each could open a file
        of its own otherwise.

        Raises:
            OSError: it is gone, or cannot be written to.
        """
        _ = self._opened

    def write(self, start: int, data: "memoryview | bytes") -> None:
        """Write bytes at a position.

        Raises:
            OSError: the disk is full, or broke.
        """
        view = memoryview(data).cast("B")
        while view:
            written = os.pwrite(self._opened, view, start)
            view, start = view[written:], start + written

    def close(self) -> None:
        """This process has written its part."""
        if "_opened" in vars(self):
            os.close(vars(self).pop("_opened"))

    def publish(self, final: Path) -> bool:
        """Give it its name. If another process was faster, its entry stays: False.

        Raises:
            OSError: the disk broke.
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
        """Remove what is left of it."""
        self.close()
        remove(self.folder)
        if self.owner is not None:
            self.owner.close()


@contextmanager
def one_at_a_time(root: Path) -> Iterator[None]:
    """Wait until no other process plans what is in the folder, and keep it from doing so."""
    import fcntl

    handle = os.open(root, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems lock no folders
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def begin_partial(root: Path, size: int) -> Partial:
    """An empty one that is to take ``size`` bytes, owned by this process.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder = root / f"{_PREFIX}{os.getpid()}-{token_hex(8)}"
    folder.mkdir()  # others may look into it as into other folders, which mkdtemp denies them
    partial = Partial(folder, owner=_locked(folder, size))
    partial.open()
    return partial


def remove(folder: Path) -> bool:
    """Take an entry away: by its name first, so that nobody finds half of it. Give whether it is
    gone: somebody else's stays as it is.
    """
    grave = folder.with_name(f"{_PREFIX}removed-{os.getpid()}-{folder.name}")
    if folder.is_dir() and not is_ours(folder):
        return False
    try:
        folder.rename(grave)
    except (FileNotFoundError, FileExistsError):
        grave = folder
    except PermissionError:
        return False
    shutil.rmtree(grave, ignore_errors=True)
    return not folder.exists()


def is_ours(folder: Path) -> bool:
    """Whether the files in a folder are this user's to remove."""
    return os.access(folder, os.W_OK)


def clear_abandoned(root: Path) -> int:
    """Remove what processes left behind that were killed; give how many bytes that frees."""
    freed = 0
    for folder in root.glob(f"{_PREFIX}*"):
        if not _is_locked(folder):
            size = size_of(folder)
            shutil.rmtree(folder, ignore_errors=True)
            freed += 0 if folder.exists() else size
    return freed


def being_written(root: Path) -> int:
    """Bytes that living processes have begun to write, as far as they can be seen."""
    return sum(_announced(folder) for folder in root.glob(f"{_PREFIX}*") if _is_locked(folder))


def size_of(folder: Path) -> int:
    """Bytes of all files of an entry but a lock, as far as they can be seen."""
    size = 0
    for file in folder.glob("*"):
        with suppress(PermissionError, FileNotFoundError):
            size += file.stat().st_size if file.name != "lock" else 0
    return size


def _locked(folder: Path, size: int) -> Any:  # noqa: ANN401 - a file
    """Lock a partial entry for as long as this process lives, and say how large it will be."""
    import fcntl

    file = (folder / "lock").open("w")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    file.write(str(size))
    file.flush()
    return file


def _announced(folder: Path) -> int:
    try:
        return int((folder / "lock").read_text())
    except (OSError, ValueError):  # it has just been removed, or is somebody else's to know
        return 0


def _is_locked(folder: Path) -> bool:
    import fcntl

    try:
        with (folder / "lock").open("r") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # at work, or somebody else's to know
        return True
    except FileNotFoundError:
        # It is being removed, or its owner has not come to lock it.
        return folder.is_dir() and time.time() - folder.stat().st_mtime < _GRACE
    return False


def _rename(partial: Path, final: Path) -> None:
    try:
        partial.rename(final)
    except OSError as error:
        # What a folder that is already there gives: ENOTEMPTY or EEXIST, by file system.
        if final.is_dir():
            raise FileExistsError(str(final)) from error
        raise
