"""The group of all commands: finds them, and says how they are to be written."""

import re
from importlib import import_module
from pathlib import Path

import click
from click_default_group import DefaultGroup

from tlf.commands import COMMANDS

_OF_A_PLUGIN = re.compile(r"[\w-]+:[\w-]+")
"""How the name of a plugin's command looks."""

MEANINGS = {
    "recipe": "a recipe, a .toml file",
    "run": "the folder of a run, such as runs/mine",
    "images": "an image, or a folder of them",
    "to": "a format, which --help lists",
    "name": "a name for the plugin",
}
"""Parameter → what a person gives for it."""


class Commands(DefaultGroup, click.Group):  # type: ignore[misc]
    """tlf's own commands and those of plugins. One may be left out: ``tlf RECIPE`` is ``tlf run
    RECIPE``.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name tlf's own, in the order of the list."""
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command. ``PLUGIN:COMMAND`` is one that a plugin offers."""
        if name in COMMANDS:
            module = import_module(f"tlf.cli.commands.{name.replace('-', '_')}")
            module.command.name = name
            self.add_command(module.command)
        elif _OF_A_PLUGIN.fullmatch(name) and not Path(name).exists():
            from tlf.plugins.commands import plugin_command

            return plugin_command(name)
        else:
            self.get_command(ctx, self.default_cmd_name)
        found: click.Command | None = super().get_command(ctx, name)
        return found

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a line for each of the two ways."""
        formatter.write_usage(ctx.command_path, "RECIPE [KEY=VALUE]...")
        formatter.write_usage(ctx.command_path, "COMMAND [ARGS]...", prefix=" " * len("Usage: "))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them without a mark at the default one, whose own line says it."""
        click.Group.format_commands(self, ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Name the installed plugins, and import none."""
        from tlf.plugins.discovery import used_entries

        if names := sorted({entry.name for entry in used_entries()}):
            formatter.write_paragraph()
            formatter.write_text(f"Plugins: {', '.join(names)}. tlf plugins shows their commands.")


def missing(error: click.MissingParameter) -> str:
    """Say what a command needs, and how to write it."""
    context, parameter = error.ctx, error.param
    if context is None or parameter is None:
        return error.format_message()
    wanted = MEANINGS.get(parameter.name or "", parameter.human_readable_name)
    return f"{context.command_path} needs {wanted}; write: {_line(context)}"


def _line(context: click.Context) -> str:
    """A command with all that it needs.

    >>> command = click.Command("fry", params=[click.Argument(["egg"]),
    ...     click.Option(["--with"], required=True, metavar="OIL"), click.Option(["--hot"])])
    >>> _line(click.Context(command, info_name="fry"))
    'fry EGG --with OIL'
    """
    command = context.command
    pieces = [p for p in command.collect_usage_pieces(context) if p != command.options_metavar]
    options = (p for p in command.params if isinstance(p, click.Option) and p.required)
    pieces += [f"{option.opts[0]} {option.metavar}" for option in options]
    return " ".join([context.command_path, *pieces])
