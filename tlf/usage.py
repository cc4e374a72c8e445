"""How commands are to be written: the usage in the help, and what is missing in a command."""

import click
from click_default_group import DefaultGroup

MEANINGS = {
    "recipe": "a recipe, a .toml file",
    "run": "the folder of a run, such as runs/mine",
    "pictures": "a picture, or a folder of them",
    "to": "a format, which --help lists",
    "name": "a name for the plugin",
}
"""Parameter → what a person gives for it."""


class Commands(DefaultGroup, click.Group):  # type: ignore[misc]
    """Commands of which one may be left out: ``tlf RECIPE`` is ``tlf run RECIPE``."""

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a line for each of the two ways."""
        formatter.write_usage(ctx.command_path, "RECIPE [KEY=VALUE]...")
        formatter.write_usage(ctx.command_path, "COMMAND [ARGS]...", prefix=" " * len("Usage: "))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names in the order of the source, which is that of their use."""
        return [*self.commands]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them without a mark at the default one, whose own line says it."""
        click.Group.format_commands(self, ctx, formatter)


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
