"""The owner of a run's folder: the one process that may write to it.

The main process of a run holds a lock on a file in the folder. The system releases it when the
process ends, however it ends. Who only reads a run needs no lock.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from platform import node

from tlf.errors import RunError, in_shell
from tlf.runs.folder import resumable_run
from tlf.training.checkpoint.requests import STOP, is_asked, withdraw

LOCK = "lock"
"""The locked file, while a run is running. It says who runs it."""

_OWNER = re.compile(r"process \d{1,10}, host [\w.-]{1,255}")

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EBADF}
"""What the system says where a file system, such as some network file systems, has no locks."""

_held: set[int] = set()
"""The locked files that this process has open."""


def check_free(folder: Path) -> None:
    """Check that no process runs the run in a folder.

    Raises:
        RunError: names the process and the host that run it.
    """
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:  # there is none; or whoever resumes the run meets this error, too
        return
    try:
        _lock(folder, handle, exclusive=False)
    finally:
        os.close(handle)


def who_runs(folder: Path) -> str | None:
    """The process and the host that run the run in a folder; None where nobody does.

    Where the file system has no locks, it is who has signed the file.
    """
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        unlocked = _lock(folder, handle, exclusive=False)
        return None if unlocked is None else _signed(handle)
    except RunError:
        return _signed(handle) or "a process that has not signed"
    finally:
        os.close(handle)


@contextmanager
def owned_run(folder: Path, *, further: bool = False) -> Iterator[str | None]:
    """Own a run that can go on, for as long as the context lasts (see ``owned``).

    Parameters:
        folder: the folder.
        further: whether a run that has ended may go on, too.

    Raises:
        RunError: the folder holds no run that can be resumed, or another process runs it.
    """
    resumable_run(folder, further=further)
    with owned(folder) as note:
        # The process that ran it a moment ago may have ended it.
        resumable_run(folder, further=further)
        yield note


@contextmanager
def owned(folder: Path) -> Iterator[str | None]:
    """Own the folder of a run for as long as the context lasts.

    Gives None, or a sentence where the file system has no locks.

    Raises:
        RunError: another process owns it, it cannot be written to, or a request to stop stays.
    """
    try:
        handle, note = _opened(folder)
    except OSError as error:
        raise RunError(f"cannot write {folder / LOCK}: {error.strerror}") from error
    _held.add(handle)
    try:
        _forget_requests(folder)
        yield note
    finally:
        if handle in _held:  # not in a process that was forked meanwhile
            _held.discard(handle)
            withdraw(folder)
            with suppress(OSError):  # the folder is gone, or on a disk that is now read-only
                if _is_at(folder / LOCK, handle):
                    (folder / LOCK).unlink()
            os.close(handle)


def _forget_requests(folder: Path) -> None:
    """Remove a request that was left behind: nobody has asked this process yet."""
    withdraw(folder)
    if is_asked(folder):
        raise RunError(
            f"cannot remove {folder / STOP}, which would stop the run at once; remove it"
        )


def _opened(folder: Path) -> tuple[int, str | None]:
    """The open and locked file, and a sentence if it cannot be locked."""
    while True:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            note = _lock(folder, handle, exclusive=True)
            if _is_at(folder / LOCK, handle):
                _sign(handle)
                return handle, note
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # its owner has just ended, and removed it


def _lock(folder: Path, handle: int, *, exclusive: bool) -> str | None:
    try:
        import fcntl
    except ImportError:  # on Windows
        return _unlocked(folder, "this system has no flock")
    try:
        fcntl.flock(handle, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:  # the latter on network file systems
        owner = _signed(handle)
        raise RunError(
            f"the run in {folder} is running{f' ({owner})' if owner else ''}; wait for it, or stop "
            f"it before you resume it: tlf stop {in_shell(folder)}"
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return _unlocked(folder, error.strerror or str(error))
    return None


def _signed(handle: int) -> str | None:
    """Who has signed the locked file, if it can be an owner."""
    owner = _OWNER.match(os.pread(handle, 300, 0).decode("utf-8", "replace"))
    return owner[0] if owner else None


def _unlocked(folder: Path, reason: str) -> str:
    return f"{folder} cannot be locked ({reason}): resume it nowhere else while it runs"


def _is_at(path: Path, handle: int) -> bool:
    """Whether an open file is still the one of this name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _sign(handle: int) -> None:
    """Write who owns it. Every user may lock it: another one may have to resume a killed run."""
    with suppress(PermissionError):  # it is another user's, who did so
        os.fchmod(handle, 0o666)
    os.truncate(handle, 0)
    os.pwrite(handle, f"process {os.getpid()}, host {node()}\n".encode(), 0)


def _let_go() -> None:
    """Close the locked files in a forked process. A process that loads images may outlive a run
    that is killed, and would keep it locked.
    """
    for handle in _held:
        os.close(handle)
    _held.clear()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_let_go)
