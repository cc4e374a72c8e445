"""The panels that plugins add to a report: those of the plugins that the run's recipe names."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tlf.errors import TlfError
from tlf.plugins.discovery import installed_plugins
from tlf.plugins.loading import Plugins, extend, load_plugins
from tlf.plugins.validation import broken, kind_of
from tlf.recipe.files import component_of, named_plugins
from tlf.reports.panel import Panel
from tlf.reports.safe_html import safe_html

if TYPE_CHECKING:
    from tlf.reports.report import AnyReport

HOOK = "tlf_report_panels"


@dataclass(frozen=True)
class PluginPanels:
    """What plugins add to a page."""

    panels: tuple[Panel, ...] = ()
    missing: tuple[str, ...] = ()
    """Sentences: what is not shown, and why."""


def plugin_panels(report: "AnyReport") -> PluginPanels:
    """Ask the plugins that the recipe of a run names for their panels.

    One that is missing or breaks takes nothing else away from the page. A report of other images
    than those of a run has no recipe, and asks none.
    """
    if report.run is None:
        return PluginPanels()
    try:
        content = tomllib.loads(report.run.recipe)
    except tomllib.TOMLDecodeError as error:
        return _missing(f"recipe.toml is no TOML: {error}")
    found = [_of_plugin(name, content, report) for name in named_plugins(content)]
    return PluginPanels(
        tuple(panel for one in found for panel in one.panels),
        tuple(sentence for one in found for sentence in one.missing),
    )


def checked_panels(answer: object, plugin: str) -> tuple[Panel, ...]:
    """The panels that a plugin has returned, as they can stand in a page: their HTML is checked,
    and their ids and those in them begin with the plugin's name.

    Raises:
        ValueError: they are no panels, or hold what a page must not; names the panel.
    """
    panels, ids = _listed(answer), list[str]()
    for panel in panels:
        if fault := _fault(panel, ids):
            raise ValueError(f"panel {str(panel.id)[:40]!r}: {fault}")
        ids.append(panel.id)
    return tuple(_checked(panel, plugin) for panel in panels)


def _listed(answer: object) -> Sequence[Panel]:
    if not isinstance(answer, list | tuple):
        raise ValueError(f"the result must be a list of Panel, got {kind_of(answer)}")
    for one in answer:
        if not isinstance(one, Panel):
            raise ValueError(f"the result must be a list of Panel, got {kind_of(one)} in it")
    return answer


def _fault(panel: Panel, ids: Sequence[str]) -> str | None:
    """What is wrong with a panel beside its HTML; None if nothing is."""
    if not isinstance(panel.id, str) or not re.fullmatch(r"[a-z][a-z0-9-]*", panel.id):
        return f"id must be small letters, digits and hyphens, got {panel.id!r:.60}"
    if panel.id in ids:
        return "its id must be unique, got it twice"
    title: object = panel.title
    if not isinstance(title, str) or not title.isprintable() or not 1 <= len(title) <= 60:
        return f"title must be a line of 1 to 60 letters, got {title!r:.80}"
    if not isinstance(panel.html, str):
        return f"html must be text, got {kind_of(panel.html)}"
    return "data must be empty: a page has no script for it" if panel.data else None


def _checked(panel: Panel, plugin: str) -> Panel:
    name = f"{_prefix(plugin)}-{panel.id}"
    try:
        return replace(panel, id=name, html=safe_html(panel.html, name))
    except ValueError as error:
        raise ValueError(f"panel {panel.id!r}: {error}") from error


def _prefix(plugin: str) -> str:
    """What the ids of a plugin's panels begin with.

    >>> _prefix("My.plugin")
    'plugin-my-plugin'
    """
    return f"plugin-{re.sub('[^a-z0-9]+', '-', plugin.lower())}"


def _of_plugin(name: str, content: Mapping[str, Any], report: "AnyReport") -> PluginPanels:
    if not any(plugin.name == name for plugin in installed_plugins()):
        return _missing(f"plugin {name!r}, which the recipe names, is not installed")
    try:
        return PluginPanels(tuple(_asked(_loaded(name, content), name, report)))
    except TlfError as error:
        return _missing(" ".join(str(error).split()).rstrip(".:"))


def _missing(why: str) -> PluginPanels:
    return PluginPanels(missing=(f"What a plugin adds to this page is not shown: {why}.",))


def _loaded(name: str, content: Mapping[str, Any]) -> Plugins:
    """A plugin with those of its extensions that the recipe names."""
    plugins = load_plugins([name])
    offers, listed = plugins.catalogue.of("tlf_extensions"), content.get("extensions", [])
    extensions = []
    for item in listed if isinstance(listed, list) else [listed]:
        options = dict(item) if isinstance(item, Mapping) else {"kind": item}
        offer = offers.get(options.pop("kind", ""))
        if offer is not None and hasattr(offer.component, HOOK):
            extensions.append(component_of(offer, options, plugins.catalogue))
    extend(plugins, extensions)
    return plugins


def _asked(plugins: Plugins, name: str, report: "AnyReport") -> Iterator[Panel]:
    """The panels of one plugin, of its module and of its extensions."""
    answers = getattr(plugins.hook, HOOK)(report=report)
    (plugin,) = [one for one in plugins.loaded if one.name == name]
    try:
        several = [*map(_listed, answers)]
        yield from checked_panels([panel for each in several for panel in each], name)
    except ValueError as error:
        raise broken(plugin, f"{HOOK}: {error}") from error
