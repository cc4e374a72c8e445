"""Arguments and options that several commands share."""

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from tlf.errors import RunError

recipe = click.argument("recipe", type=click.Path(path_type=Path))
run_folder = click.argument("run", type=click.Path(path_type=Path))
overrides = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")


def split_overrides(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The overrides among the arguments of a command, and the others: names and paths."""
    found: tuple[list[str], list[str]] = [], []
    for text in arguments:
        # Path.exists would fail where a value is longer than the name of a file can be.
        is_override = re.match(r"[\w.-]+=", text) and not os.path.exists(text)
        found[0 if is_override else 1].append(text)
    return found


def named_file(
    _context: click.Context, parameter: click.Parameter, output: Path | None
) -> Path | None:
    """A file to write. It is replaced when it is whole, which a stream cannot be.

    Raises:
        RunError: it is where stdin comes from, or where stdout or stderr goes.
    """
    option = parameter.opts[0]
    if output == Path("-"):
        raise RunError(f"{option} must be the name of a file, got -; write a name, or leave it out")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        with suppress(OSError):  # it is closed, or there is no such file
            if output and os.path.samestat(os.fstat(number), output.stat()):
                raise RunError(
                    f"{option} must not be the file of {name}, got {output}; write another name, "
                    "or leave it out"
                )
    return output
