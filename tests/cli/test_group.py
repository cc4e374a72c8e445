"""Help and errors that say how a command is to be written."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from tlf.cli.group import MEANINGS
from tlf.cli.main import cli
from tlf.commands import COMMANDS

BIN = Path(sys.executable).parent


def start(*arguments):
    return subprocess.run(
        [str(BIN / "tlf"), *arguments], capture_output=True, text=True, check=False
    )


def test_help_shows_that_a_recipe_needs_no_command():
    lines = start("--help").stdout.splitlines()
    assert lines[:2] == ["Usage: tlf RECIPE [KEY=VALUE]...", "       tlf COMMAND [ARGS]..."]
    (run,) = (line for line in lines if line.startswith("  run "))
    assert run.split(maxsplit=1)[1] == "Train what RECIPE describes; tlf RECIPE does the same."
    assert "*" not in "".join(lines)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("run", "tlf run needs a recipe, a .toml file; write: tlf run RECIPE [KEY=VALUE]..."),
        ("--resume", "tlf run needs a recipe, a .toml file; write: tlf run RECIPE [KEY=VALUE]..."),
        (
            "history",
            "tlf history needs the folder of a run, such as runs/mine; write: tlf history RUN",
        ),
        (
            "predict runs/x",
            "tlf predict needs an image, or a folder of them; write: tlf predict RUN IMAGE...",
        ),
        (
            "export runs/x",
            "tlf export needs a format, which --help lists; write: tlf export RUN --to FORMAT",
        ),
        ("new-plugin", "tlf new-plugin needs a name for the plugin; write: tlf new-plugin NAME"),
    ],
)
def test_what_is_missing_is_told_with_what_to_write(arguments, told):
    done = start(*arguments.split())
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {told}\n")


def test_everything_that_a_command_needs_has_a_meaning():
    context = click.Context(cli)
    commands = [cli.get_command(context, name) for name in COMMANDS]
    needed = {p.name for command in commands for p in command.params if p.required}
    assert needed == set(MEANINGS)
