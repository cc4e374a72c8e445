"""Registers a plugin's module, once its hooks and what it offers are checked."""

import inspect
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from typing import Any

import pluggy

from tlf import hookspecs
from tlf.components import Offer, Plugin
from tlf.errors import PluginError, nearest
from tlf.plugins.tracebacks import reason
from tlf.plugins.validation import VERBS, broken, checked_offers

_HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("tlf_"))


def imported(entry: EntryPoint, plugin: Plugin) -> object:
    """A plugin's module.

    Raises:
        PluginError: it cannot be imported.
    """
    try:
        return entry.load()
    except (Exception, SystemExit) as error:
        raise broken(plugin, f"cannot be imported: {reason(error, entry.module)}") from error


def register(
    manager: pluggy.PluginManager, module: object, plugin: Plugin, name: str
) -> list[Offer]:
    """Let a module take part in the hooks, under a name; what it offers.

    Raises:
        PluginError: it is there already, implements no hook or a wrong one, or offers what tlf
            cannot use.
    """
    if twin := manager.get_name(module):
        raise broken(plugin, f"is the same module as plugin {twin!r}; name one of the two")
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
    """The decisions and events that a module takes part in, in the order of a run.

    Raises:
        PluginError: it marks no hook.
    """
    marked = {hook for _, hook in _marked(manager, module, plugin)}
    return tuple(hook for hook in _HOOKS if hook in marked - {*VERBS, "tlf_commands"})


def _check_extension(manager: pluggy.PluginManager, offer: Offer) -> None:
    """Its methods are hooks of a run, and hooks that offer components are no methods."""
    for attribute, hook in _checked_hooks(manager, offer.component, offer.plugin):
        if hook in VERBS or hook == "tlf_commands":
            told = f"{offer.kind!r} has a method {attribute}; such a hook stands in the module"
            raise broken(offer.plugin, told)


def _checked_hooks(
    manager: pluggy.PluginManager, owner: object, plugin: Plugin
) -> list[tuple[str, str]]:
    try:
        marked = list(_marked(manager, owner, plugin))
        for attribute, hook in marked:
            _check_hook(plugin, attribute, hook, getattr(owner, attribute))
    except PluginError:
        raise
    except Exception as error:  # an attribute that cannot be read
        raise broken(plugin, f"cannot be looked through: {reason(error)}") from error
    return marked


def _marked(
    manager: pluggy.PluginManager, module: object, plugin: Plugin
) -> Iterator[tuple[str, str]]:
    """The attribute and the hook of everything that a plugin marks as an implementation."""
    found = False
    for attribute in dir(module):
        options = manager.parse_hookimpl_opts(module, attribute)
        if options is not None:
            found = True
            yield attribute, options.get("specname") or attribute
        elif attribute in _HOOKS and inspect.isroutine(getattr(module, attribute)):
            raise broken(plugin, f"{attribute} is not marked; write @hookimpl above it")
    if not found:
        raise broken(plugin, "implements no hook; write @hookimpl above what should be called")


def _check_hook(plugin: Plugin, attribute: str, hook: str, function: Callable[..., Any]) -> None:
    if hook not in _HOOKS:
        raise broken(plugin, f"there is no hook {hook!r}; {nearest(hook, _HOOKS)}")
    for argument in inspect.signature(function).parameters.values():
        # Whether pluggy passes such an argument depends on its version.
        if argument.default is not argument.empty:
            raise broken(plugin, f"{attribute} gives {argument.name!r} a default; leave it out")
