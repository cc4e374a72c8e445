"""Check the hooks of a plugin's module and what it offers, and register it."""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from importlib.metadata import EntryPoint
from typing import Any

import pluggy

from tlf import hookspecs
from tlf.catalogue import Offer, Plugin
from tlf.errors import PluginError, nearest
from tlf.plugins.discovery import check_metadata, module_of
from tlf.plugins.tracebacks import reason
from tlf.plugins.validation import VERBS, broken, checked_offers

_HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("tlf_"))


def imported(entry: EntryPoint, plugin: Plugin) -> object:
    """A plugin's module.

    Raises:
        PluginError: importing it fails, or the metadata of its distribution is broken.
    """
    check_metadata(entry, plugin)
    if not EntryPoint.pattern.match(entry.value):
        fault = f"its entry point must be a module, or module:object, got {entry.value!r}"
        raise broken(plugin, fault)
    try:
        # What it prints must not get into what a command prints for programs.
        with redirect_stdout(sys.stderr):
            return entry.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise broken(plugin, f"cannot be imported: {reason(error, module_of(entry))}") from error


def register(
    manager: pluggy.PluginManager, module: object, plugin: Plugin, name: str
) -> list[Offer]:
    """Register a module for its hooks, under a name; give what it offers.

    Raises:
        PluginError: the module is registered already, implements no hook or an unknown one, or
            offers what tlf cannot use.
    """
    if other := manager.get_name(module):
        raise broken(plugin, f"is the same module as plugin {other!r}; name one of the two")
    marked = _checked_hooks(manager, module, plugin)
    try:
        manager.register(module, name=name)
    except (pluggy.PluginValidationError, ValueError) as error:
        raise broken(plugin, " ".join(str(error).split())) from error
    offers = [
        offer
        for attribute, hook in marked
        if hook in VERBS
        for offer in checked_offers(plugin, hook, getattr(module, attribute))
    ]
    for extension in (offer for offer in offers if offer.hook == "tlf_extensions"):
        _check_extension(manager, extension)
    return offers


def events(manager: pluggy.PluginManager, module: object, plugin: Plugin) -> tuple[str, ...]:
    """The decisions and events that a module implements, in the order of a run.

    Raises:
        PluginError: it implements no hook.
    """
    marked = {hook for _, hook in _marked(manager, module, plugin)}
    return tuple(hook for hook in _HOOKS if hook in marked - {*VERBS, "tlf_commands"})


def _check_extension(manager: pluggy.PluginManager, offer: Offer) -> None:
    """An extension implements hooks of a run; only a module offers components and commands."""
    for attribute, hook in _checked_hooks(manager, offer.component, offer.plugin):
        if hook in VERBS or hook == "tlf_commands":
            fault = f"{offer.kind!r} has a method {attribute}; write this hook as a function"
            raise broken(offer.plugin, f"{fault} of the module")


def _checked_hooks(
    manager: pluggy.PluginManager, owner: object, plugin: Plugin
) -> list[tuple[str, str]]:
    try:
        marked = list(_marked(manager, owner, plugin))
        for attribute, hook in marked:
            _check_hook(plugin, attribute, hook, getattr(owner, attribute))
    except PluginError:
        raise
    except Exception as error:  # a module may compute its attributes
        raise broken(plugin, f"its attributes cannot be read: {reason(error)}") from error
    return marked


def _marked(
    manager: pluggy.PluginManager, module: object, plugin: Plugin
) -> Iterator[tuple[str, str]]:
    """Attribute and hook, for everything that a plugin marks with ``@hookimpl``."""
    found = False
    for attribute in dir(module):
        options = manager.parse_hookimpl_opts(module, attribute)
        if options is not None:
            found = True
            yield attribute, options.get("specname") or attribute
        elif attribute in _HOOKS and inspect.isroutine(getattr(module, attribute)):
            raise broken(plugin, f"{attribute} is not marked; write @hookimpl above it")
    if not found:
        raise broken(
            plugin, "implements no hook; write @hookimpl above each function that tlf should call"
        )


def _check_hook(plugin: Plugin, attribute: str, hook: str, function: Callable[..., Any]) -> None:
    if hook not in _HOOKS:
        raise broken(plugin, f"there is no hook {hook!r}; {nearest(hook, _HOOKS)}")
    for argument in inspect.signature(function).parameters.values():
        # Whether pluggy passes such an argument depends on its version.
        if argument.default is not argument.empty:
            raise broken(plugin, f"{attribute} gives {argument.name!r} a default; remove it")
