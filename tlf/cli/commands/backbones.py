"""``tlf backbones [PATTERN]``."""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from tlf.cli.output import complain, echo
from tlf.tasks import DEFAULT, TASKS

if TYPE_CHECKING:
    from tlf.recipe.reference.backbones import KnownBackbone

PUBLISHED = TASKS[DEFAULT].metrics[0]
"""The metric that libraries publish."""

FACTORS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9}
FEW = 20
"""So many networks are counted without a word."""

MOST_WEIGHTS = 3
"""Networks of which the names of published weights are printed, at most."""


def _number(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> float | None:
    """A number such as 6M or 2.5e6."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d*)?(?:e\d+)?)([KMB]?)", value, re.IGNORECASE)
    if found is None:
        raise click.BadParameter(f"must be a number, got {value!r}; write 6M, for example")
    return float(found[1]) * FACTORS[found[2].upper()]


@click.command()
@click.argument("pattern", required=False)
@click.option(
    "--max-params",
    callback=_number,
    metavar="NUMBER",
    help="Only networks with at most so many parameters, such as 6M.",
)
def command(pattern: str | None, max_params: float | None) -> None:
    """List the networks that a recipe can name.

    PATTERN is a name, a family, or a pattern such as 'vit_*'. Without it, the families are listed.
    Parameters are counted with the library's own classifier; top-1 is what torchvision publishes
    for the default weights on ImageNet-1K.
    """
    from tlf.recipe.reference.backbones import find_backbones

    if pattern is None and max_params is None:
        for line in family_lines(find_backbones(), plugin_usages()):
            echo(line)
        return
    found = _counted(find_backbones(pattern or "*"))
    if max_params is not None:
        found = [one for one in found if one.parameters and one.parameters <= max_params]
    for line in backbone_lines(found):
        echo(line)


def _counted(backbones: "Sequence[KnownBackbone]") -> "list[KnownBackbone]":
    from tlf.recipe.reference.backbones import counted

    missing = sum(one.parameters is None for one in backbones)
    if missing <= FEW:
        return [*counted(backbones)]
    if not sys.stderr.isatty():
        complain(f"counting the parameters of {missing} networks; they are stored")
        return [*counted(backbones)]
    title = "counting parameters, once for this timm"
    with click.progressbar(counted(backbones), len(backbones), title, file=sys.stderr) as steps:
        return [*steps]


def family_lines(backbones: "Iterable[KnownBackbone]", plugins: Iterable[str]) -> Iterator[str]:
    """A line for each family of networks, and what to write to see them."""
    yield f"{'library':<12} {'family':<22} {'networks':>8}  for example"
    ordered = sorted(backbones, key=lambda one: (one.kind == "timm", one.family))
    for (kind, family), group in groupby(ordered, key=lambda one: (one.kind, one.family)):
        models = [one.model for one in group]
        yield f"{kind:<12} {family:<22} {len(models):>8}  {min(models, key=len)}"
    for usage in plugins:
        yield f"plugin       {usage}"
    yield "tlf backbones FAMILY lists a family, tlf backbones 'vit_*' what fits a pattern,"
    yield "tlf backbones --max-params 6M all that have at most so many parameters"


def plugin_usages() -> list[str]:
    """What to write in a recipe for the backbones of plugins."""
    from tlf.recipe.places import usage
    from tlf.recipe.reference.json_schema import usable_plugins

    usable, failures = usable_plugins()
    for failure in failures:
        complain(f"left out: {failure}")
    offers = [offer for one in usable if one.plugin.name != "tlf" for offer in one.offers]
    return [usage(offer) for offer in offers if offer.hook == "tlf_backbones"]


def backbone_lines(found: "Sequence[KnownBackbone]") -> Iterator[str]:
    """A line for each network, and what to write in a recipe."""
    if not found:
        yield "no network has so few parameters"
        return
    width = max(len(one.model) for one in found)
    yield f"{'model':<{width}}  {'kind':<11} {'parameters':>13} {'input':>5} {PUBLISHED.title:>7}"
    for one in found:
        parameters = "–" if one.parameters is None else f"{one.parameters:,}"
        figure = "–" if one.accuracy is None else PUBLISHED.shown(one.accuracy)
        yield f"{one.model:<{width}}  {one.kind:<11} {parameters:>13} {one.size:>5} {figure:>7}"
    for one in found if len(found) <= MOST_WEIGHTS else ():
        text = f"weights of {one.kind}'s {one.model}: {', '.join((*one.weights, 'none'))}"
        yield from wrap(text, 80, subsequent_indent="  ", break_on_hyphens=False)
    for kind in dict.fromkeys(one.kind for one in found):
        yield f"write: {next(one.usage for one in found if one.kind == kind)}"
