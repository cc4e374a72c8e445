"""Which plugins are installed, and which distribution each comes from."""

import os
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points

from tlf.components import Plugin
from tlf.errors import PluginError, nearest
from tlf.plugins.validation import version


def installed_plugins() -> tuple[Plugin, ...]:
    """Every installed plugin, also broken ones, also where plugins are switched off."""
    return tuple(described(entry) for entry in entry_points(group="tlf"))


def switched_off() -> bool:
    """Whether ``TLF_PLUGINS=0`` switches off the plugins of third parties."""
    return os.environ.get("TLF_PLUGINS") == "0"


def used_entries() -> list[EntryPoint]:
    """Every installed plugin, sorted by name; none where plugins are switched off."""
    return [] if switched_off() else sorted(entry_points(group="tlf"), key=lambda e: e.name)


def find_entries(names: Iterable[str]) -> list[EntryPoint]:
    """The installed plugins called ``names``, each once.

    Raises:
        PluginError: names each that is missing or installed twice.
    """
    found, problems = [], []
    for name in dict.fromkeys(names):
        try:
            found.append(find_entry(name))
        except PluginError as error:
            problems.append(error)
    check_none(problems)
    return found


def check_none(problems: Sequence[PluginError]) -> None:
    """Raise one error for the problems of several plugins, if there are any.

    Raises:
        PluginError: lists all of them.
    """
    if len(problems) == 1:
        raise problems[0]
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise PluginError(f"{len(problems)} plugins cannot be used\n{lines}")


def find_entry(name: str) -> EntryPoint:
    """The installed plugin called ``name``.

    Raises:
        PluginError: it is missing, several have this name, or plugins are switched off.
    """
    if switched_off():
        raise PluginError(
            f"plugin {name!r} is needed, but TLF_PLUGINS=0 switches plugins off; unset it"
        )
    entries = used_entries()
    found = [entry for entry in entries if entry.name == name]
    if not found:
        names = sorted({entry.name for entry in entries})
        others = nearest(name, names) if names else "no plugins are installed"
        advice = "install the package that offers it with pip"
        raise PluginError(f"plugin {name!r} is not installed; {advice}; {others}")
    _check_name(name, found)
    return found[0]


def described(entry: EntryPoint) -> Plugin:
    """The plugin behind an entry point, with its distribution's name and version."""
    metadata = dict(entry.dist.metadata.json) if entry.dist else {}
    distribution = str(metadata.get("name", "unknown distribution"))
    return Plugin(entry.name, distribution, str(metadata.get("version", "(no version)")))


def _check_name(name: str, found: Sequence[EntryPoint]) -> None:
    owners = " and ".join(dict.fromkeys(version(described(entry)) for entry in found))
    if len(found) > 1 and " and " not in owners:
        raise PluginError(f"plugin {name!r} is offered twice by {owners}; report it to its author")
    if len(found) > 1:
        raise PluginError(f"plugin {name!r} is offered by {owners}; uninstall all but one")
    if name == "tlf" or ":" in name:
        raise PluginError(
            f"{owners}: a plugin's name must not be 'tlf' or contain ':', got {name!r}; rename it"
        )
