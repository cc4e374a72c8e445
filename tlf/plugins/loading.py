"""Load plugins, and survey the installed ones. There is no global state."""

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint

import pluggy

import tlf
from tlf.catalogue import Catalogue, Offer, Plugin
from tlf.errors import PluginError
from tlf.plugins.attribution import blaming_manager
from tlf.plugins.commands import offered_commands
from tlf.plugins.discovery import (
    NAMELESS,
    broken_distributions,
    check_none,
    described,
    find_entries,
    find_entry,
    module_of,
    used_entries,
)
from tlf.plugins.registration import events, imported, register
from tlf.plugins.validation import broken, version

BUILT_IN = (
    "tlf.builtin.starter",
    "tlf.builtin.folder",
    "tlf.builtin.csv_file",
    "tlf.builtin.hub",
    "tlf.builtin.shards",
    "tlf.builtin.augmentations",
    "tlf.builtin.backbones",
    "tlf.builtin.heads",
    "tlf.builtin.losses",
    "tlf.builtin.sigmoid_losses",
    "tlf.builtin.metrics",
    "tlf.builtin.freeze_policies",
    "tlf.builtin.optimizers",
    "tlf.builtin.schedulers",
    "tlf.builtin.trackers",
)


_PLACE = re.compile(r":\d+$")
"""What ``extend`` adds to the kind of an extension: its place in the recipe."""


@dataclass(frozen=True)
class Plugins:
    """The plugins of one run."""

    catalogue: Catalogue
    manager: pluggy.PluginManager
    loaded: tuple[Plugin, ...]
    packages: Mapping[str, Sequence[Plugin]] = field(default_factory=dict)
    """Package of third parties → the plugins in it."""

    @property
    def hook(self) -> pluggy.HookRelay:
        """Calls a hook of every plugin: ``plugins.hook.tlf_epoch_ended(result=result)``."""
        return self.manager.hook

    @property
    def replaces_step(self) -> bool:
        """Whether a plugin replaces the training step."""
        return bool(self.hook.tlf_training_step.get_hookimpls())

    @property
    def changing(self) -> tuple[str, ...]:
        """The plugins and extensions that change a trained model, as a recipe names them."""
        registered = [impl.plugin_name for impl in self.hook.tlf_model_trained.get_hookimpls()]
        return tuple(_PLACE.sub("", name) for name in registered)


@dataclass(frozen=True)
class Surveyed:
    """One installed plugin: what it offers, or why it cannot be loaded."""

    plugin: Plugin
    offers: tuple[Offer, ...] = field(default=(), repr=False)
    hooks: tuple[str, ...] = ()
    """The decisions and events that it implements."""
    commands: tuple[str, ...] = ()
    """The commands that it adds: ``PLUGIN:COMMAND``."""
    failure: str | None = None


def load_plugins(names: Sequence[str]) -> Plugins:
    """Load the built-in components, and the installed plugins called ``names``; no others.

    Where the first answer decides, the plugin named last is asked first.

    Raises:
        PluginError: plugins are missing, installed twice or broken, or offer what tlf cannot use;
            names each of them.
    """
    entries = find_entries(names)  # first: importing the built-in components takes seconds
    loaded, problems = {"tlf": _own()}, []
    manager = blaming_manager(loaded)
    offers = _built_in(manager)
    for entry in entries:
        plugin = loaded[entry.name] = described(entry)
        try:
            offers += register(manager, imported(entry, plugin), plugin, entry.name)
        except PluginError as error:
            problems.append(error)
    check_none(problems)
    packages: dict[str, list[Plugin]] = {}
    for entry in entries:
        package = module_of(entry).partition(".")[0]
        packages.setdefault(package, []).append(loaded[entry.name])
    return Plugins(_catalogue(offers), manager, tuple(loaded.values()), packages)


def extend(plugins: Plugins, extensions: Sequence[object]) -> None:
    """Register the extensions of a recipe for the hooks of its run.

    Where the first answer decides, extensions are asked before plugins, the one named last first.

    Raises:
        PluginError: the recipe names an extension twice with the same options.
    """
    for number, extension in enumerate(extensions):
        offer = plugins.catalogue.offer(extension)
        if extension in extensions[:number]:
            raise broken(offer.plugin, f"extension {offer.kind!r} is named twice; remove one")
        plugins.manager.register(extension, name=f"{offer.kind}:{number}")


def survey_plugins() -> tuple[Surveyed, ...]:
    """Load the built-in components and every installed plugin, each by itself; report failures."""
    own = _catalogue(_built_in(blaming_manager({}))).offers
    broken_ones = (Surveyed(NAMELESS, failure=str(error)) for error in broken_distributions())
    return (
        Surveyed(_own(), own),
        *(_surveyed(entry, own) for entry in used_entries()),
        *broken_ones,
    )


def _own() -> Plugin:
    return Plugin("tlf", "tlf", tlf.__version__)


def _built_in(manager: pluggy.PluginManager) -> list[Offer]:
    own, modules = _own(), [(name, importlib.import_module(name)) for name in BUILT_IN]
    return [offer for name, module in modules for offer in register(manager, module, own, name)]


def _catalogue(offers: Sequence[Offer]) -> Catalogue:
    by_kind: dict[tuple[str, str], Offer] = {}
    by_class: dict[type, Offer] = {}
    for offer in offers:
        if by_kind.setdefault((offer.hook, offer.kind), offer) is not offer:
            raise broken(offer.plugin, f"{offer.hook} offers {offer.kind!r} twice; rename one")
        # The class of a component tells its kind and its plugin: each kind needs its own.
        first = by_class.setdefault(offer.component, offer)
        if first is not offer:
            raise broken(
                offer.plugin,
                f"{offer.hook} offers {offer.kind!r}, whose class {offer.component.__name__} is "
                f"{first.kind!r} of {version(first.plugin)} already; write a class of its own",
            )
    return Catalogue(tuple(offers))


def _surveyed(entry: EntryPoint, own: Sequence[Offer]) -> Surveyed:
    plugin, manager = described(entry), blaming_manager({})
    try:
        find_entry(entry.name)
        module = imported(entry, plugin)
        offers = tuple(register(manager, module, plugin, entry.name))
        _catalogue([*own, *offers])
        hooks = events(manager, module, plugin)
        commands = tuple(f"{entry.name}:{name}" for name in offered_commands(manager, plugin))
    except PluginError as error:
        return Surveyed(plugin, failure=str(error))
    return Surveyed(plugin, offers, hooks, commands=commands)
