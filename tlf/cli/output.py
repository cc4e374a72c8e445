"""What commands print: text as it is, and never markup.

Names of files, classes, phases and stages come from elsewhere. Rich would read brackets in them as
markup and colons as emoji, and a terminal would obey their control characters. So every line and
every cell of a table is made here.
"""

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from tlf.runtime.text import printable, printable_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def say(console: "Console", text: str, style: str = "") -> None:
    """Print lines on a console. A terminal wraps them; a file gets them whole."""
    from rich.text import Text

    console.print(Text(printable_lines(text), style), soft_wrap=True)


def cell(text: str) -> "Text":
    """A cell of a table."""
    from rich.text import Text

    return Text(printable(text))


def echo(text: str) -> None:
    """Print lines on stdout without loading Rich."""
    click.echo(printable_lines(text))


def complain(text: str) -> None:
    """Print lines on stderr. Where stderr is lost, too, the exit code has to do."""
    with suppress(OSError):
        click.echo(printable_lines(text), err=True)


def flush() -> None:
    """Write everything that was printed.

    Raises:
        OutputError: it cannot be written.
    """
    if sys.stdout is not None:
        sys.stdout.flush()
