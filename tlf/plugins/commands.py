"""Commands that plugins offer: ``tlf PLUGIN:COMMAND``."""

from collections.abc import Mapping
from typing import Any

import click
import pluggy

from tlf.components import Plugin
from tlf.errors import PluginError, TlfError, nearest
from tlf.plugins.attribution import blaming_manager
from tlf.plugins.discovery import described, find_entry
from tlf.plugins.registration import imported, register
from tlf.plugins.tracebacks import reason
from tlf.plugins.validation import broken, version

HOOK = "tlf_commands"


def plugin_command(name: str) -> click.Command:
    """The command called ``PLUGIN:COMMAND``. No other plugin is imported.

    Raises:
        PluginError: the plugin is not installed, is broken, or offers no such command.
    """
    plugin_name, _, command_name = name.partition(":")
    entry = find_entry(plugin_name)
    plugin = described(entry)
    manager = blaming_manager({plugin_name: plugin})
    module = imported(entry, plugin)
    register(manager, module, plugin, plugin_name)
    offered = offered_commands(manager, plugin)
    if command_name not in offered:
        known = [f"{plugin_name}:{command}" for command in offered]
        advice = nearest(name, known) if known else "it offers none; tlf plugins lists commands"
        raise broken(plugin, f"there is no command {command_name!r}; {advice}")
    return _Attributed(name, offered[command_name], plugin, entry.module)


def offered_commands(manager: pluggy.PluginManager, plugin: Plugin) -> Mapping[str, click.Command]:
    """Name → command, for every command of the only plugin of a manager.

    Raises:
        PluginError: the plugin breaks, or offers something else than commands.
    """
    offered: dict[str, click.Command] = {}
    for answer in manager.hook.tlf_commands():
        if not isinstance(answer, Mapping):
            got = type(answer).__name__
            raise broken(plugin, f"{HOOK} must return a mapping from name to command, got {got}")
        for name, command in answer.items():
            if not isinstance(name, str) or not name or ":" in name:
                raise broken(plugin, f"{HOOK}: a name must be text without ':', got {name!r}")
            if not isinstance(command, click.Command):
                fault = f"{HOOK}: {name!r} must be a click command, got {type(command).__name__}"
                raise broken(plugin, f"{fault}; write @click.command() above the function")
            offered[name] = command
    return offered


class _Attributed(click.Command):
    """A plugin's command, whose errors name it and its plugin."""

    def __init__(self, name: str, command: click.Command, plugin: Plugin, module: str) -> None:
        self.__dict__.update(vars(command))
        self.name, self.command, self.plugin, self.module = name, command, plugin, module

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - whatever the command returns
        """Run the command.

        Raises:
            PluginError: the command broke; names the plugin.
        """
        try:
            return self.command.invoke(ctx)
        except (TlfError, click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            fault = f"failed in {self.name}: {reason(error, self.module)}"
            raise PluginError(
                f"plugin {self.plugin.name!r} ({version(self.plugin)}) {fault}"
            ) from error
