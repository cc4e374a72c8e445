"""A person's request to end a run: a file in the run's folder, which the run looks for.

So a request reaches a run from any shell, and from any host that shares the folder. The process
that owns the folder removes the file: when it begins, since a request may be left behind, and when
it ends.
"""

from contextlib import suppress
from pathlib import Path

STOP = "stop"
"""The name of the file."""


def ask(folder: Path) -> None:
    """Ask the run in a folder to end.

    Raises:
        OSError: the request cannot be written.
    """
    (folder / STOP).touch()


def is_asked(folder: Path) -> bool:
    """Whether somebody has asked the run in a folder to end."""
    return (folder / STOP).exists()


def withdraw(folder: Path) -> None:
    """Remove the request, if there is one."""
    with suppress(OSError):  # the folder is gone, or on a disk that is now read-only
        (folder / STOP).unlink(missing_ok=True)
