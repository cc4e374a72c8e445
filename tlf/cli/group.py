"""The group of all commands: finds a command, lists all of them, and prints their usage."""

import re
from importlib import import_module
from pathlib import Path

import click
from click_default_group import DefaultGroup

from tlf.commands import COMMANDS

_PLUGIN_COMMAND = re.compile(r"[\w-]+:[\w-]+")
"""The name of a plugin's command, such as ``sum:count``."""

MEANINGS = {
    "recipe": "a recipe, a .toml file",
    "run": "the folder of a run, such as runs/mine",
    "data": "a recipe, or a folder of images",
    "runs": "the folder of a run, such as runs/mine",
    "models": "a model, such as the folder of a run",
    "images": "an image or a folder of images",
    "to": "a format; --help lists them",
    "name": "a name for the plugin",
    "folder": "a folder of images",
    "ranges": "a range, such as phases.0.lr=1e-4..1e-1",
    "recipes": "a recipe, a .toml file",
}
"""Required parameter → what to write for it."""


class Commands(DefaultGroup, click.Group):  # type: ignore[misc]
    """tlf's own commands and those of plugins. ``tlf RECIPE`` is short for ``tlf run RECIPE``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List tlf's own commands, in the order of ``COMMANDS``."""
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command. ``PLUGIN:COMMAND`` names the command of a plugin."""
        if name in COMMANDS:
            module = import_module(f"tlf.cli.commands.{name.replace('-', '_')}")
            module.command.name = name
            self.add_command(module.command)
        elif _PLUGIN_COMMAND.fullmatch(name) and not Path(name).exists():
            from tlf.plugins.commands import plugin_command

            return plugin_command(name)
        else:
            self.get_command(ctx, self.default_cmd_name)
        command: click.Command | None = super().get_command(ctx, name)
        return command

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write both usages: with a recipe, and with a command."""
        formatter.write_usage(ctx.command_path, "RECIPE [KEY=VALUE]...")
        formatter.write_usage(ctx.command_path, "COMMAND [ARGS]...", prefix=" " * len("Usage: "))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without click's mark for the default: its own line says so."""
        click.Group.format_commands(self, ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the installed plugins without importing them."""
        from tlf.plugins.discovery import used_entries

        # A name that a terminal would act on is shown by ``tlf plugins`` alone, which escapes it.
        if names := sorted({e.name for e in used_entries() if e.name.isprintable()}):
            formatter.write_paragraph()
            formatter.write_text(f"Plugins: {', '.join(names)}. tlf plugins shows their commands.")


def missing(error: click.MissingParameter) -> str:
    """Say which argument or option is missing, and how to write the command."""
    context, parameter = error.ctx, error.param
    if context is None or parameter is None:
        return error.format_message()
    name = parameter.human_readable_name
    meaning = MEANINGS.get(parameter.name or "", name) if _is_own(context) else name
    return f"{context.command_path} needs {meaning}; write: {_usage(context)}"


def key_instead(error: click.NoSuchOption) -> str:
    """The key of a recipe that a person wrote as an option; empty where a command takes none."""
    context = error.ctx
    if context is None or not re.search(r"(?<!\.)KEY=VALUE", _usage(context)):
        return ""
    from tlf.recipe.places import key_named

    key = key_named(error.option_name.lstrip("-").replace("-", "_"))
    example = f"{key}=VALUE" if key else "KEY=VALUE, such as seed=1"
    return f"What a recipe says is changed without dashes: {example}"


def _is_own(context: click.Context) -> bool:
    """Whether it is a command of tlf's own: a plugin's ``run`` may mean anything."""
    while context.parent is not None and context.parent.parent is not None:
        context = context.parent
    return context.command.name in COMMANDS


def _usage(context: click.Context) -> str:
    """A command with its required arguments and options.

    >>> command = click.Command("fry", params=[click.Argument(["egg"]),
    ...     click.Option(["--with"], required=True, metavar="OIL"), click.Option(["--hot"])])
    >>> _usage(click.Context(command, info_name="fry"))
    'fry EGG --with OIL'
    """
    command = context.command
    pieces = [p for p in command.collect_usage_pieces(context) if p != command.options_metavar]
    options = (p for p in command.params if isinstance(p, click.Option) and p.required)
    pieces += [f"{option.opts[0]} {option.metavar}" for option in options]
    return " ".join([context.command_path, *pieces])
