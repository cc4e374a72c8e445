"""Help and errors that say how to write a command."""

import click
import pytest
from click.testing import CliRunner

from tlf.cli.group import MEANINGS
from tlf.cli.main import cli
from tlf.commands import COMMANDS


def test_help_shows_that_a_recipe_needs_no_command():
    lines = CliRunner().invoke(cli, ["--help"], prog_name="tlf").output.splitlines()
    assert lines[:2] == ["Usage: tlf RECIPE [KEY=VALUE]...", "       tlf COMMAND [ARGS]..."]
    (run,) = (line for line in lines if line.startswith("  run "))
    assert run.split(maxsplit=1)[1] == "Train what RECIPE describes; tlf RECIPE does the same."
    assert "*" not in "".join(lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run", "tlf run needs a recipe, a .toml file; write: tlf run RECIPE [KEY=VALUE]..."),
        (
            "history",
            "tlf history needs the folder of a run, such as runs/mine; write: tlf history RUN...",
        ),
        (
            "evaluate",
            "tlf evaluate needs a model, such as the folder of a run; write: tlf evaluate MODEL "
            "[MODEL] [data.KEY=VALUE]...",
        ),
        (
            "predict runs/x",
            "tlf predict needs an image or a folder of images; write: tlf predict RUN IMAGE...",
        ),
        (
            "export runs/x",
            "tlf export needs a format; --help lists them; write: tlf export RUN --to FORMAT",
        ),
        ("new-plugin", "tlf new-plugin needs a name for the plugin; write: tlf new-plugin NAME"),
    ],
)
def test_a_missing_argument_is_reported_with_the_usage(main, arguments, message):
    assert main(*arguments.split()) == (2, "", f"error: {message}\n")


def test_every_required_parameter_has_a_meaning():
    context = click.Context(cli)
    commands = [cli.get_command(context, name) for name in COMMANDS]
    needed = {p.name for command in commands for p in command.params if p.required}
    assert needed == set(MEANINGS)


def test_help_shows_no_mark_of_its_formatter():
    """In a raw docstring, the mark that keeps lines apart is shown and does nothing."""
    context = click.Context(cli)
    helps = {name: cli.get_command(context, name).help for name in COMMANDS}
    assert [name for name, text in helps.items() if "\\b" in text] == []


def test_no_line_of_help_is_cut():
    """Every command's line fits a terminal of 80 columns."""
    text = CliRunner(env={"COLUMNS": "80"}).invoke(cli, ["--help"], prog_name="tlf").output
    lines = text.partition("Commands:")[2].strip().splitlines()
    assert [line.split()[0] for line in lines[: len(COMMANDS)]] == [*COMMANDS]
    assert "..." not in "".join(lines)
