"""``tlf plugins``."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

import tlf
from tlf.cli.output import say

if TYPE_CHECKING:
    from rich.console import Console

    from tlf.plugins.loading import Surveyed


@click.command()
def command() -> None:
    """List plugins and how to use what they offer.

    Those that failed to load are listed with the reason.
    """
    from rich.console import Console

    show_survey(tlf.survey_plugins(), Console())


def usages(one: "Surveyed") -> Iterator[str]:
    """What to write to use each offer of a plugin: in a recipe, or as a command."""
    from tlf.recipe.places import usage

    if one.plugin.name == "tlf":
        yield "to use one: tlf options KIND shows what to write in a recipe, and all options"
        return
    named = [offer for offer in one.offers if offer.hook != "tlf_exporters"]
    lines = [usage(offer) for offer in named]
    lines += [f'plugins = ["{one.plugin.name}"]'] if one.hooks else []
    for number, line in enumerate(lines):
        yield f"{'in a recipe' if number == 0 else '':<16}{line}"
    if named:
        yield f"{'options':<16}tlf options {named[0].kind}"
    for offer in one.offers:
        if offer not in named:
            yield f"{'export':<16}tlf export RUN --to {offer.kind}"


def show_survey(surveyed: "Iterable[Surveyed]", console: "Console") -> None:
    """Print tlf's own plugin, the others by name, and the order in which a run loads them."""
    from tlf.plugins.discovery import switched_off

    for one in surveyed:
        plugin = one.plugin
        name = f"{plugin.name}  ({plugin.distribution} {plugin.version})"
        say(console, name, "bold")
        if one.failure is not None:
            say(console, f"  failed to load: {one.failure}", "red")
        for hook in dict.fromkeys(offer.hook for offer in one.offers):
            kinds = ", ".join(offer.kind for offer in one.offers if offer.hook == hook)
            title = hook.removeprefix("tlf_").replace("_", " ")
            say(console, f"  {title:<16}{kinds}")
        if one.commands:
            commands = ", ".join(f"tlf {command}" for command in one.commands)
            say(console, f"  {'commands':<16}{commands}")
        if one.hooks:
            say(console, f"  {'hooks':<16}{', '.join(one.hooks)}")
        for line in usages(one):
            say(console, f"  {line}")
    if switched_off():
        say(console, "TLF_PLUGINS=0 switches all others off")
    else:
        say(
            console,
            "A run loads tlf first, then the plugins that its recipe names, in that order. For a "
            "hook that takes one answer, the plugin that was loaded last is asked first.",
        )
