"""Standard output of the command line's own process: closed, full, or of any encoding."""

import os
import sys
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import Any

from tlf.errors import OutputError


class _Stdout(FileIO):
    """Standard output. Its failures are errors of their own: nobody takes them for those of a file
    that a run writes.
    """

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        """Write some bytes.

        Raises:
            OutputError: they cannot be written. What is printed after that is dropped.
        """
        try:
            return super().write(data)
        except OSError as error:
            _drop(self.fileno())
            raise OutputError(error) from error


def guard_stdout() -> None:
    """Let a command print to any stdout.

    A closed one takes everything and keeps nothing. What its encoding lacks is escaped. What cannot
    be written is an ``OutputError``.
    """
    _open_closed()
    if sys.stderr is None:  # it was closed
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the end
    if os.name != "posix":  # a console of Windows is no plain file
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        return
    encoding = getattr(sys.stdout, "encoding", "utf-8")
    raw = _Stdout(1, "w", closefd=False)
    sys.stdout = TextIOWrapper(
        BufferedWriter(raw), encoding, "backslashreplace", line_buffering=raw.isatty()
    )


def _open_closed() -> None:
    """Open what is closed of stdin, stdout and stderr: the next file of the run would get its
    number, and what is printed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the smallest number that is free


def _drop(number: int) -> None:
    """Let a descriptor drop what is written: Python writes the rest of its buffer at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
