"""Load plugins, check what they offer, and name the one that broke. Nothing here is global."""

import importlib
import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

import tlf
from tlf import hookspecs
from tlf.components import Catalogue, Offer, Plugin
from tlf.errors import PluginError, TlfError, nearest
from tlf.offering import VERBS, broken, checked_offers, reason, version, wrong_answer

BUILT_IN = (
    "tlf.starter",
    "tlf.builtin.datasets",
    "tlf.builtin.listing",
    "tlf.builtin.hub",
    "tlf.builtin.augmentations",
    "tlf.builtin.backbones",
    "tlf.builtin.heads",
    "tlf.builtin.losses",
    "tlf.builtin.freezing",
    "tlf.builtin.optimizers",
    "tlf.builtin.schedulers",
)

_HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("tlf_"))


@dataclass(frozen=True)
class Plugins:
    """The plugins of one run."""

    catalogue: Catalogue
    manager: pluggy.PluginManager
    loaded: tuple[Plugin, ...]

    @property
    def hook(self) -> pluggy.HookRelay:
        """Calls a hook of every plugin: ``plugins.hook.tlf_epoch_ended(result=result)``."""
        return self.manager.hook

    @property
    def replaces_step(self) -> bool:
        """Whether any of them says how a training step is made."""
        return bool(self.hook.tlf_training_step.get_hookimpls())


@dataclass(frozen=True)
class Surveyed:
    """One installed plugin: what it does, or why it cannot be loaded."""

    plugin: Plugin
    offers: tuple[Offer, ...] = ()
    hooks: tuple[str, ...] = ()
    """The decisions and events that it takes part in."""
    failure: str | None = None


def load_plugins(names: Sequence[str]) -> Plugins:
    """Load what comes with tlf, and the installed plugins called ``names``; no others.

    Where the first answer decides, the plugin named last is asked first.

    Raises:
        PluginError: a plugin is missing, offered twice, broken, or offers what tlf cannot use.
    """
    loaded = {"tlf": _own()}
    manager = _manager(loaded)
    offers = _built_in(manager)
    for name in dict.fromkeys(names):
        entry = _installed(name)
        loaded[name] = _described(entry)
        offers += _register(manager, _imported(entry, loaded[name]), loaded[name], name)
    return Plugins(_catalogue(offers), manager, tuple(loaded.values()))


def extend(plugins: Plugins, extensions: Sequence[object]) -> None:
    """Let the extensions of a recipe take part in the hooks of its run.

    Where the first answer decides, they are asked before the plugins, the one named last first.

    Raises:
        PluginError: the same extension is named twice, with the same options.
    """
    for number, extension in enumerate(extensions):
        offer = plugins.catalogue.offer(extension)
        if extension in extensions[:number]:
            raise broken(offer.plugin, f"extension {offer.kind!r} is named twice; name it once")
        plugins.manager.register(extension, name=f"{offer.kind}:{number}")


def survey_plugins() -> tuple[Surveyed, ...]:
    """Try what comes with tlf and every installed plugin, each by itself, and say how it went."""
    own = _catalogue(_built_in(_manager({}))).offers
    return (Surveyed(_own(), own), *(_surveyed(entry, own) for entry in _entries()))


def installed() -> tuple[Plugin, ...]:
    """Every installed plugin, whether it works or not, and whether plugins are switched off."""
    return tuple(_described(entry) for entry in entry_points(group="tlf"))


@contextmanager
def blame(offer: Offer, verb: str) -> Iterator[None]:
    """Name the component, and the plugin behind it, if what happens inside breaks.

    Raises:
        PluginError: a component refused its options or its surroundings, or a third party's broke.
    """
    who = f"{offer.kind!r} ({version(offer.plugin)})"
    try:
        yield
    except TlfError:
        raise
    except ValueError as error:
        raise PluginError(f"{who}: {error}") from error
    except Exception as error:
        if offer.plugin.name == "tlf":
            raise  # a fault of tlf's own keeps its traceback
        raise PluginError(f"{who} failed in {verb}: {reason(error)}") from error


# Finding


def _entries() -> list[EntryPoint]:
    return [] if switched_off() else sorted(entry_points(group="tlf"), key=lambda e: e.name)


def switched_off() -> bool:
    """Whether the environment says that third parties' plugins are not to be used."""
    return os.environ.get("TLF_PLUGINS") == "0"


def _installed(name: str) -> EntryPoint:
    if switched_off():
        raise PluginError(
            f"plugin {name!r} is asked for, but TLF_PLUGINS=0 switches plugins off; unset it"
        )
    entries = _entries()
    found = [entry for entry in entries if entry.name == name]
    if not found:
        names = sorted({entry.name for entry in entries})
        others = nearest(name, names) if names else "no plugins are installed"
        advice = "write `pip install` and the package that offers it"
        raise PluginError(f"plugin {name!r} is not installed: {advice}; {others}")
    _check_name(name, found)
    return found[0]


def _check_name(name: str, found: Sequence[EntryPoint]) -> None:
    owners = " and ".join(dict.fromkeys(version(_described(entry)) for entry in found))
    if len(found) > 1 and " and " not in owners:
        raise PluginError(f"plugin {name!r} is offered twice by {owners}; tell its author")
    if len(found) > 1:
        raise PluginError(f"plugin {name!r} is offered by {owners}; uninstall all but one")
    if name == "tlf" or ":" in name:
        raise PluginError(f"{owners} calls its plugin {name!r}, which is not free to use")


def _described(entry: EntryPoint) -> Plugin:
    known = dict(entry.dist.metadata.json) if entry.dist else {}
    distribution = str(known.get("name", "unknown distribution"))
    return Plugin(entry.name, distribution, str(known.get("version", "(no version)")))


def _own() -> Plugin:
    return Plugin("tlf", "tlf", tlf.__version__)


# Loading


def _built_in(manager: pluggy.PluginManager) -> list[Offer]:
    own, modules = _own(), [(name, importlib.import_module(name)) for name in BUILT_IN]
    return [offer for name, module in modules for offer in _register(manager, module, own, name)]


def _imported(entry: EntryPoint, plugin: Plugin) -> object:
    try:
        return entry.load()
    except (Exception, SystemExit) as error:
        raise broken(plugin, f"cannot be imported: {reason(error)}") from error


def _register(
    manager: pluggy.PluginManager, module: object, plugin: Plugin, name: str
) -> list[Offer]:
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


def _check_extension(manager: pluggy.PluginManager, offer: Offer) -> None:
    """Its methods are hooks of a run, and hooks that offer components are no methods."""
    for attribute, hook in _checked_hooks(manager, offer.component, offer.plugin):
        if hook in VERBS:
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


def _catalogue(offers: Sequence[Offer]) -> Catalogue:
    seen: dict[tuple[str, str], Offer] = {}
    classes: dict[type, Offer] = {}
    for offer in offers:
        if seen.setdefault((offer.hook, offer.kind), offer) is not offer:
            raise broken(offer.plugin, f"{offer.hook} offers {offer.kind!r} twice")
        # Which kind a component is, and whose, is known by its class.
        first = classes.setdefault(offer.component, offer)
        if first is not offer:
            raise broken(
                offer.plugin,
                f"{offer.hook} offers {offer.kind!r}, whose class {offer.component.__name__} is "
                f"{first.kind!r} of {version(first.plugin)} already; write a class of its own",
            )
    return Catalogue(tuple(offers))


def _surveyed(entry: EntryPoint, own: Sequence[Offer]) -> Surveyed:
    plugin, manager = _described(entry), _manager({})
    try:
        _installed(entry.name)
        module = _imported(entry, plugin)
        offers = tuple(_register(manager, module, plugin, entry.name))
        _catalogue([*own, *offers])
        hooks = {hook for _, hook in _marked(manager, module, plugin)}
    except PluginError as error:
        return Surveyed(plugin, failure=str(error))
    return Surveyed(plugin, offers, tuple(hook for hook in _HOOKS if hook in hooks - {*VERBS}))


# Blaming


def _manager(loaded: Mapping[str, Plugin]) -> pluggy.PluginManager:
    """A manager that names the plugin behind an exception in a hook; pluggy does not."""
    manager = pluggy.PluginManager("tlf")
    manager.add_hookspecs(hookspecs)
    manager.add_hookcall_monitoring(lambda *_: None, partial(_attribute, loaded))
    return manager


def _attribute(
    loaded: Mapping[str, Plugin],
    outcome: pluggy.Result[Any],
    hook: str,
    implementations: Sequence[pluggy.HookImpl],
    arguments: Mapping[str, object],
) -> None:
    error = outcome.exception
    if error is None:
        wrong = wrong_answer(hook, outcome.get_result(), arguments)
        error = TypeError(wrong) if wrong else None
    if not isinstance(error, Exception) or isinstance(error, (TlfError, pluggy.HookCallError)):
        return
    guilty = [item for item in implementations if _raised_in(item, error)] or implementations
    # An extension is registered under its kind.
    names = [item.plugin_name.partition(":")[0] for item in guilty]
    third = [loaded[name] for name in names if name in loaded]
    if not third:
        return  # a fault of tlf's own keeps its traceback
    who = " or ".join(f"{plugin.name!r} ({version(plugin)})" for plugin in third)
    blamed = PluginError(f"plugin {who} failed in {hook}: {reason(error)}")
    blamed.__cause__ = error
    outcome.force_exception(blamed)


def _raised_in(implementation: pluggy.HookImpl, error: Exception) -> bool:
    # The innermost function is the plugin's own; a decorator may be shared by several plugins.
    code = getattr(inspect.unwrap(implementation.function), "__code__", None)
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is code:
            return True
        trace = trace.tb_next
    return False
