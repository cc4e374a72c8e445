"""Where a recipe says what: the tables and the components of a recipe, and how they are written."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass
from typing import Any

from tlf.catalogue import Offer
from tlf.recipe.schema import Recipe
from tlf.recipe.tables import Kind, dataclass_in, kind_of, options, readable_options
from tlf.runtime.strict_json import dumps


@dataclass(frozen=True)
class Place:
    """A table of a recipe, or a key that takes a component."""

    path: str
    """``data``, ``phases``, ``phases.freeze``; ``recipe`` for the top level."""
    table: type | None = None
    """The dataclass of the table."""
    kind: Kind | None = None
    """What components the key takes."""


def places() -> tuple[Place, ...]:
    """Every place of a recipe, in the order of a recipe; a table before what is in it."""
    return (Place("recipe", Recipe), *_inside(Recipe, ""))


def _inside(cls: type, path: str) -> Iterator[Place]:
    for name, (_, hint) in options(cls).items():
        inside = f"{path}{name}"
        kind, inner = kind_of(hint), dataclass_in(hint)
        if kind:
            # The options of a dataset stand in [data] itself.
            yield Place(path.removesuffix(".") if kind.beside else inside, kind=kind)
        elif inner:
            yield Place(inside, inner)
            yield from _inside(inner, f"{inside}.")


def key_named(name: str) -> str | None:
    """The first key of a recipe whose last part is a name; None where there is none.

    >>> key_named("seed"), key_named("lr"), key_named("dir"), key_named("device")
    ('seed', 'phases.0.lr', 'cache.dir', None)
    """
    for place in places():
        if place.table and name in options(place.table):
            prefix = {"recipe": "", "phases": "phases.0."}.get(place.path, f"{place.path}.")
            return f"{prefix}{name}"
    return None


def default_of(item: Field[Any], hint: object) -> object:
    """The default of an option; ``MISSING`` where a recipe has to give it."""
    kind = kind_of(hint)
    if kind and kind.default:
        return kind.default
    if item.default_factory is not MISSING:
        return item.default_factory()
    return item.default


def usage(offer: Offer) -> str:
    """What to write in a recipe to use a component.

    >>> from tlf.plugins.loading import load_plugins
    >>> offers = load_plugins([]).catalogue.of
    >>> usage(offers("tlf_heads")["mlp"]), usage(offers("tlf_datasets")["starter"])
    ('head = "mlp"', 'data = { kind = "starter" }')
    >>> usage(offers("tlf_freeze_policies")["up-to"])
    'freeze = { kind = "up-to", stage = … } in [[phases]]'
    """
    place = next(one for one in places() if one.kind and one.kind.hook == offer.hook)
    known: Mapping[str, tuple[Field[Any], Any]] = readable_options(offer.component, offer.kind)
    required = [name for name, (item, hint) in known.items() if default_of(item, hint) is MISSING]
    value = dumps(offer.kind, ensure_ascii=False)
    if required or (place.kind and place.kind.beside):
        value = f"{{ {', '.join([f'kind = {value}', *(f'{name} = …' for name in required)])} }}"
    table, _, key = place.path.rpartition(".")
    inside = {"": "", "phases": " in [[phases]]"}.get(table, f" in [{table}]")
    return f"{key} = {value}{inside}"
