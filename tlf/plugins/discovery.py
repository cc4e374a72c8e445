"""Which plugins are installed, and whose they are."""

import os
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points

from tlf.components import Plugin
from tlf.errors import PluginError, nearest
from tlf.plugins.validation import version


def installed_plugins() -> tuple[Plugin, ...]:
    """Every installed plugin, even if it does not work or plugins are switched off."""
    return tuple(described(entry) for entry in entry_points(group="tlf"))


def switched_off() -> bool:
    """Whether the environment says that third parties' plugins are not to be used."""
    return os.environ.get("TLF_PLUGINS") == "0"


def used_entries() -> list[EntryPoint]:
    """Every installed plugin, by name; none where plugins are switched off."""
    return [] if switched_off() else sorted(entry_points(group="tlf"), key=lambda e: e.name)


def find_entries(names: Iterable[str]) -> list[EntryPoint]:
    """The installed plugins called ``names``, each once.

    Raises:
        PluginError: tells each that is not there, or is there twice.
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
    """Make one error of what is wrong with several plugins.

    Raises:
        PluginError: there are problems; tells all of them.
    """
    if len(problems) == 1:
        raise problems[0]
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise PluginError(f"{len(problems)} plugins cannot be used\n{lines}")


def find_entry(name: str) -> EntryPoint:
    """The installed plugin called ``name``.

    Raises:
        PluginError: there is none or another besides, or plugins are switched off.
    """
    if switched_off():
        raise PluginError(
            f"plugin {name!r} is asked for, but TLF_PLUGINS=0 switches plugins off; unset it"
        )
    entries = used_entries()
    found = [entry for entry in entries if entry.name == name]
    if not found:
        names = sorted({entry.name for entry in entries})
        others = nearest(name, names) if names else "no plugins are installed"
        advice = "write `pip install` and the package that offers it"
        raise PluginError(f"plugin {name!r} is not installed: {advice}; {others}")
    _check_name(name, found)
    return found[0]


def described(entry: EntryPoint) -> Plugin:
    """The plugin behind an entry point, with its distribution's name and version."""
    known = dict(entry.dist.metadata.json) if entry.dist else {}
    distribution = str(known.get("name", "unknown distribution"))
    return Plugin(entry.name, distribution, str(known.get("version", "(no version)")))


def _check_name(name: str, found: Sequence[EntryPoint]) -> None:
    owners = " and ".join(dict.fromkeys(version(described(entry)) for entry in found))
    if len(found) > 1 and " and " not in owners:
        raise PluginError(f"plugin {name!r} is offered twice by {owners}; tell its author")
    if len(found) > 1:
        raise PluginError(f"plugin {name!r} is offered by {owners}; uninstall all but one")
    if name == "tlf" or ":" in name:
        raise PluginError(f"{owners} calls its plugin {name!r}, which is not free to use")
