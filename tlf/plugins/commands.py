"""Commands that plugins offer: ``tlf PLUGIN:COMMAND``."""

import re
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

import click
import pluggy

from tlf.catalogue import Plugin
from tlf.errors import PluginError, TlfError, nearest
from tlf.plugins.attribution import blaming_manager
from tlf.plugins.discovery import described, find_entry, module_of
from tlf.plugins.registration import imported, register
from tlf.plugins.tracebacks import reason
from tlf.plugins.validation import broken, version

HOOK = "tlf_commands"
_NAME = re.compile(r"[\w-]+")


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
    return _attributed(offered[command_name], name, plugin, module_of(entry))


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
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                fault = f"{HOOK}: a name must be letters, digits, '-' and '_', got {name!r}"
                raise broken(plugin, fault)
            if not isinstance(command, click.Command):
                fault = f"{HOOK}: {name!r} must be a click command, got {type(command).__name__}"
                raise broken(plugin, f"{fault}; write @click.command() above the function")
            offered[name] = command
    return offered


def _attributed(command: click.Command, name: str, plugin: Plugin, module: str) -> click.Command:
    """The same command, of whichever class, under its full name. Its errors name the plugin."""
    found = copy(command)
    found.name = name

    def guarded(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - click's own
            try:
                return method(*arguments, **options)
            except (TlfError, click.ClickException, click.exceptions.Exit, click.Abort):
                raise
            except Exception as error:
                fault = f"failed in {name}: {reason(error, module)}"
                raise PluginError(f"plugin {plugin.name!r} ({version(plugin)}) {fault}") from error

        return call

    def invoke(ctx: click.Context) -> None:
        """Run the command. What it returns is no exit code: ``ctx.exit`` gives one."""
        run(ctx)

    run = guarded(found.invoke)
    vars(found).update(make_context=guarded(found.make_context), invoke=invoke)
    return found
