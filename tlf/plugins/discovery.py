"""Which plugins are installed, and which distribution each comes from."""

import os
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points

from tlf.catalogue import Plugin
from tlf.errors import PluginError, itemized, nearest
from tlf.plugins.tracebacks import reason
from tlf.plugins.validation import broken, version

MOST_PLUGINS = 100

NAMELESS = Plugin("(unknown)", "unknown distribution", "(no version)")
"""Stands for what metadata would say, where it cannot be read."""


def installed_plugins() -> tuple[Plugin, ...]:
    """Every installed plugin, also broken ones, also where plugins are switched off."""
    return tuple(described(entry) for entry in _entries())


def switched_off() -> bool:
    """Whether ``TLF_PLUGINS=0`` switches off the plugins of third parties."""
    return os.environ.get("TLF_PLUGINS") == "0"


def used_entries() -> list[EntryPoint]:
    """Every installed plugin, sorted by name; none where plugins are switched off."""
    return [] if switched_off() else sorted(_entries(), key=lambda e: e.name)


def module_of(entry: EntryPoint) -> str:
    """The module that an entry point names: ``module`` or ``module:object``."""
    return entry.value.partition(":")[0].strip()


def broken_distributions() -> list[PluginError]:
    """An error for each installed package, maybe a plugin, whose entry points cannot be read."""
    if switched_off():
        return []
    try:
        entry_points(group="tlf")
    except Exception:  # one of them is broken: ``_each`` says which
        return [one for one in _each() if isinstance(one, PluginError)]
    return []


def find_entries(names: Iterable[str]) -> list[EntryPoint]:
    """The installed plugins called ``names``, each once.

    Raises:
        PluginError: names each that is missing or installed twice.
    """
    found, problems = [], []
    wanted = dict.fromkeys(names)
    if len(wanted) > MOST_PLUGINS:
        raise PluginError(f"a recipe must name at most {MOST_PLUGINS} plugins, got {len(wanted):,}")
    entries = used_entries() if wanted else []
    for name in wanted:
        try:
            found.append(_found(name, entries))
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
        raise PluginError(itemized(f"{len(problems)} plugins cannot be used", problems))


def find_entry(name: str) -> EntryPoint:
    """The installed plugin called ``name``.

    Raises:
        PluginError: it is missing, several have this name, or plugins are switched off.
    """
    return _found(name, used_entries())


def _found(name: str, entries: Sequence[EntryPoint]) -> EntryPoint:
    if switched_off():
        raise PluginError(
            f"plugin {name!r} is needed, but TLF_PLUGINS=0 switches plugins off; unset it"
        )
    found = [entry for entry in entries if entry.name == name]
    if not found:
        names = sorted({entry.name for entry in entries})
        others = nearest(name, names) if names else "no plugins are installed"
        advice = "install the package that offers it with pip"
        unreadable = "".join(f"; {error}" for error in broken_distributions())
        raise PluginError(f"plugin {name!r:.200} is not installed; {advice}; {others}{unreadable}")
    _check_name(name, found)
    return found[0]


def described(entry: EntryPoint) -> Plugin:
    """The plugin behind an entry point, with its distribution's name and version, where its
    metadata can be read.
    """
    try:
        metadata = dict(entry.dist.metadata.json) if entry.dist else {}
    except Exception:  # ``check_metadata`` reports it, where the plugin is used
        metadata = {}
    distribution = str(metadata.get("name", NAMELESS.distribution))
    return Plugin(entry.name, distribution, str(metadata.get("version", NAMELESS.version)))


def check_metadata(entry: EntryPoint, plugin: Plugin) -> None:
    """Check that the metadata of a plugin's distribution can be read.

    Raises:
        PluginError: it cannot.
    """
    try:
        named = entry.dist is None or "name" in entry.dist.metadata.json
    except Exception as error:  # whatever is in the file
        fault = f"the METADATA of its distribution cannot be read ({reason(error)}); reinstall it"
        raise broken(plugin, fault) from error
    if not named:
        fault = "the METADATA of its distribution is missing or has no Name; reinstall it"
        raise broken(plugin, fault)


def distribution_names() -> set[str]:
    """The names of all installed packages whose metadata can be read."""
    return {name for package in distributions() if (name := _name(package))}


def _entries() -> list[EntryPoint]:
    """The entry points of all plugins. A package whose entry points cannot be read has none."""
    try:
        return [*entry_points(group="tlf")]
    except Exception:  # one broken package breaks the list of all; ``_each`` names it
        return [one for one in _each() if isinstance(one, EntryPoint)]


def _each() -> Iterator[EntryPoint | PluginError]:
    """The entry points of one package after the other, or the error of one that is broken."""
    seen: set[str] = set()
    for package in distributions():
        name = _name(package)
        if name in seen:
            continue  # Python imports the one that comes first on its path
        seen |= {name} if name else set()
        try:
            yield from [entry for entry in package.entry_points if entry.group == "tlf"]
        except Exception as error:  # whatever is in the file
            where = name or package.locate_file("")
            yield PluginError(
                f"the entry points of a package cannot be read: {where}: {reason(error)}; "
                "reinstall or remove it"
            )


def _name(package: Distribution) -> str | None:
    try:
        return package.name
    except Exception:  # its metadata is missing or broken
        return None


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
