"""``tlf options [NAME]``."""

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from tlf.cli.output import complain, echo

if TYPE_CHECKING:
    from tlf.recipe.reference.options import Option, Options

WIDTH = 80


@click.command()
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """Show every option of a recipe or a component.

    Each with its type, its default and what it does. NAME is a kind (gradual), a kind at its place
    (data.csv), a table or key (phases, phases.freeze), or an option (lr). Without it, all names are
    listed.
    """
    from tlf.recipe.reference.json_schema import usable_plugins
    from tlf.recipe.reference.options import every_option, named

    usable, failures = usable_plugins()
    for failure in failures:
        complain(f"left out: {failure}")
    found = named(every_option(usable), name)
    for line in overview(found) if name is None else option_lines(found):
        echo(line)


def overview(every: "Sequence[Options]") -> Iterator[str]:
    """All names that the command takes."""
    yield "tlf options NAME shows the options of one of these names."
    yield ""
    for one in every:
        if one.kinds is not None:
            kinds = ", ".join(one.kinds) or "those of plugins"
            yield from _beside(f"{one.path:<24}", f"kinds: {kinds}")
        elif not one.usage:
            names = ", ".join(option.name for option in one.options)
            yield from _beside(f"{one.path:<24}", f"keys: {names}")


def option_lines(found: "Sequence[Options]") -> Iterator[str]:
    """Everything about what a name stands for."""
    if len({one.path for one in found}) > 1:
        yield f"{len(found)} things have this name:"
        yield ""
    for number, one in enumerate(found):
        if number:
            yield ""
        yield from _about(one)
        for option in one.options:
            yield from _option(option)


def _about(one: "Options") -> Iterator[str]:
    yield one.path + (f"  (plugin {one.plugin})" if one.plugin != "tlf" else "")
    for paragraph in filter(None, one.help.split("\n\n")):
        yield from _beside("", paragraph)
    if one.usage:
        yield from _beside("write: ", one.usage)
        if not one.options:
            yield "  It has no options."
    column = max([16, *(len(kind) + 2 for kind in one.kinds or ())])
    for kind, text in (one.kinds or {}).items():
        yield from _beside(f"  {kind:<{column}}", text)


def _option(option: "Option") -> Iterator[str]:
    default = "required" if option.default is None else f"default {option.default}"
    yield from _beside(f"  {option.name:<16}  ", f"{option.type}; {default}")
    for paragraph in filter(None, option.help.split("\n\n")):
        yield from _beside(" " * 20, paragraph)


def _beside(title: str, text: str) -> list[str]:
    return wrap(
        text, WIDTH, initial_indent=title, subsequent_indent=" " * len(title),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
