"""What commands print: text as it is, and never markup.

Names of files, classes, phases and stages come from elsewhere. Rich would read brackets in them as
markup and colons as emoji, and a terminal would obey their control characters. So every line is
made here.
"""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

import click

from tlf.errors import TlfWarning
from tlf.runtime.text import printable_lines

if TYPE_CHECKING:
    from rich.console import Console


def say(console: "Console", text: str, style: str = "") -> None:
    """Print lines on a console. A terminal wraps them; a file gets them whole."""
    from rich.text import Text

    console.print(Text(printable_lines(text), style), soft_wrap=True)


def echo(text: str) -> None:
    """Print lines on stdout without loading Rich."""
    click.echo(printable_lines(text))


def complain(text: str) -> None:
    """Print lines on stderr. Where stderr is lost, too, the exit code has to do."""
    with suppress(OSError):
        click.echo(printable_lines(text), err=True)


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Show tlf's own warnings as lines on stderr, as the notes of a run are shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", TlfWarning)
        show_others = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, TlfWarning):
                complain(f"note: {message}")
            else:
                show_others(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


def flush() -> None:
    """Write everything that was printed.

    Raises:
        OutputError: it cannot be written.
    """
    if sys.stdout is not None:
        sys.stdout.flush()
