"""Load plugins, and survey those that are installed. Nothing here is global."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint

import pluggy

import tlf
from tlf.components import Catalogue, Offer, Plugin
from tlf.errors import PluginError
from tlf.plugins.attribution import blaming_manager
from tlf.plugins.commands import offered_commands
from tlf.plugins.discovery import check_none, described, find_entries, find_entry, used_entries
from tlf.plugins.registration import events, imported, register
from tlf.plugins.validation import broken, version

BUILT_IN = (
    "tlf.builtin.starter",
    "tlf.builtin.folder",
    "tlf.builtin.csv_file",
    "tlf.builtin.hub",
    "tlf.builtin.augmentations",
    "tlf.builtin.backbones",
    "tlf.builtin.heads",
    "tlf.builtin.losses",
    "tlf.builtin.freeze_policies",
    "tlf.builtin.optimizers",
    "tlf.builtin.schedulers",
)


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
    commands: tuple[str, ...] = ()
    """What it adds to the command line: ``PLUGIN:COMMAND``."""
    failure: str | None = None


def load_plugins(names: Sequence[str]) -> Plugins:
    """Load what comes with tlf, and the installed plugins called ``names``; no others.

    Where the first answer decides, the plugin named last is asked first.

    Raises:
        PluginError: plugins are missing, offered twice, broken, or offer what tlf cannot use; tells
            everything that is missing or broken.
    """
    entries = find_entries(names)  # before what comes with tlf, which takes seconds to import
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
    own = _catalogue(_built_in(blaming_manager({}))).offers
    return (Surveyed(_own(), own), *(_surveyed(entry, own) for entry in used_entries()))


def _own() -> Plugin:
    return Plugin("tlf", "tlf", tlf.__version__)


def _built_in(manager: pluggy.PluginManager) -> list[Offer]:
    own, modules = _own(), [(name, importlib.import_module(name)) for name in BUILT_IN]
    return [offer for name, module in modules for offer in register(manager, module, own, name)]


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
