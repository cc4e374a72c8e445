"""Every option of a recipe: its name, type, default and help."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass
from typing import Any

from tlf.catalogue import Catalogue, Offer
from tlf.errors import PluginError, TlfError, nearest
from tlf.plugins.loading import Surveyed
from tlf.recipe.places import Place, default_of, places, usage
from tlf.recipe.reference.docstrings import described, field_texts
from tlf.recipe.reference.json_schema import usable_plugins
from tlf.recipe.tables import dataclass_in, kind_of, options, readable_options, written
from tlf.recipe.values import expected, json_schema
from tlf.runtime.strict_json import dumps


@dataclass(frozen=True)
class Option:
    """One key of a recipe."""

    name: str
    type: str
    """The values that it takes, in TOML's words."""
    default: str | None
    """As TOML writes it; ``unset`` where there is none; None where a recipe has to give it."""
    help: str


@dataclass(frozen=True)
class Options:
    """A component with its options, a table with its keys, or a key with its kinds."""

    path: str
    """``data.csv``, ``phases``, ``phases.freeze``."""
    help: str = ""
    usage: str = ""
    """What to write to use the component: in a recipe, or as a command."""
    plugin: str = "tlf"
    """The plugin that offers it."""
    options: tuple[Option, ...] = ()
    kinds: Mapping[str, str] | None = None
    """Of a key that takes components: kind → the first sentence of its help."""


def recipe_options(name: str | None = None) -> tuple[Options, ...]:
    """The options of everything that a name stands for; without a name, of everything.

    >>> import tlf
    >>> [found.path for found in tlf.recipe_options("plateau")]
    ['phases.freeze.plateau', 'phases.scheduler.plateau']
    >>> [option.name for option in tlf.recipe_options("data.csv")[0].options][:2]
    ['file', 'root']

    Parameters:
        name: a kind (``gradual``, ``plugin:kind``), a table or key (``phases``, ``phases.freeze``),
            a kind at its place (``data.csv``), or an option (``lr``).

    Raises:
        TlfError: a recipe has nothing of this name.
    """
    return named(every_option(usable_plugins()[0]), name)


def every_option(plugins: Sequence[Surveyed]) -> tuple[Options, ...]:
    """All places of a recipe, each followed by the components that it takes; then the formats of
    exports that plugins offer.
    """
    catalogue = Catalogue(tuple(offer for one in plugins for offer in one.offers))
    return tuple(_every(catalogue))


def named(every: Iterable[Options], name: str | None) -> tuple[Options, ...]:
    """What a name stands for. An option is looked for only if nothing else has the name.

    Raises:
        TlfError: nothing has it.
    """
    every = tuple(every)
    if name is None:
        return every
    found = tuple(one for one in every if one.path == name)
    found = found or tuple(one for one in every if _ends(one.path, name))
    found = found or _at_second_place(every, name)
    found = found or tuple(
        Options(one.path, options=(option,), plugin=one.plugin)
        for one in every
        for option in one.options
        if _ends(f"{one.path}.{option.name}".removeprefix("recipe."), name)
    )
    if not found:
        last = (one.path.rpartition(".")[2] for one in every)
        known = {*last, *(option.name for one in every for option in one.options)}
        known |= {one.path for one in every} if "." in name else set()
        raise TlfError(
            f"nothing in a recipe is called {name!r:.200}; {nearest(name, [*known])}; "
            "tlf options lists all"
        )
    return found


def _at_second_place(every: Sequence[Options], name: str) -> tuple[Options, ...]:
    """What is listed at the first place that takes it: ``phases.augment.mixup``, for example, at
    ``transforms.augment``.
    """
    place, _, kind = name.rpartition(".")
    if not any(one.path == place and kind in (one.kinds or ()) for one in every):
        return ()
    key = place.rpartition(".")[2]
    return tuple(one for one in every if _ends(one.path, f"{key}.{kind}"))


def _ends(path: str, name: str) -> bool:
    return path == name or path.endswith(f".{name}")


def _every(catalogue: Catalogue) -> Iterator[Options]:
    shown: set[str] = set()
    for place in places():
        if place.kind is None:
            yield _table(place, catalogue)
            continue
        offers = catalogue.of(place.kind.hook).values()
        texts = {offer.kind: _first(described(offer.component)) for offer in offers}
        default = f", {place.kind.default!r} by default" if place.kind.default else ""
        several = ", one or a list of them" if place.kind.many else ""
        yield Options(place.path, f"The {place.kind.noun}{several}{default}.", kinds=texts)
        if place.kind.hook not in shown:
            yield from (_component(place, offer, catalogue) for offer in offers)
        shown.add(place.kind.hook)
    for offer in catalogue.of("tlf_exporters").values():  # a command names them, and sets no option
        written = f"tlf export RUN --to {offer.kind}"
        yield Options(offer.kind, described(offer.component), written, offer.plugin.name)


def _table(place: Place, catalogue: Catalogue) -> Options:
    cls = place.table
    if cls is None:
        raise TypeError(f"{place.path} is no table")
    known = {n: o for n, o in options(cls).items() if not ((k := kind_of(o[1])) and k.beside)}
    found = _options(known, field_texts(cls), place.path, catalogue)
    return Options(place.path, described(cls), options=tuple(found))


def _component(place: Place, offer: Offer, catalogue: Catalogue) -> Options:
    path, cls = f"{place.path}.{offer.kind}", offer.component
    known = readable_options(cls, repr(offer.kind))
    found = tuple(_options(known, field_texts(cls), path, catalogue))
    text = described(cls)
    if place.kind and (beside := place.kind.beside):
        listed = f"{', '.join(beside[:-1])} and {beside[-1]}" if len(beside) > 1 else beside[0]
        text += f"\n\n`[{place.path}]` also takes {listed}: tlf options {place.path}."
    return Options(path, text, usage(offer), offer.plugin.name, found)


def _options(
    known: Mapping[str, tuple[Field[Any], Any]],
    texts: Mapping[str, str],
    path: str,
    catalogue: Catalogue,
) -> Iterator[Option]:
    inside = "" if path == "recipe" else f"{path}."
    for name, (item, hint) in known.items():
        text = texts.get(name, "").replace("None is", "unset is")
        if not text and (inner := dataclass_in(hint)):
            text = described(inner)
        yield Option(name, _type(hint, f"{inside}{name}"), _default(item, hint, catalogue), text)


def _type(hint: object, path: str) -> str:
    kind, inner = kind_of(hint), dataclass_in(hint)
    if kind:
        several = "one or a list" if kind.many else "one"
        return f"{several} of the kinds that tlf options {path} lists"
    if inner:
        return f"{expected(hint)}, see tlf options {path}"
    return expected(hint) + bounds(json_schema(hint))


def _default(item: Field[Any], hint: object, catalogue: Catalogue) -> str | None:
    if item.name == "output":
        return "runs/ and the name of the recipe"
    value, kind = default_of(item, hint), kind_of(hint)
    if value is MISSING:
        return None
    if kind and kind.default:
        return _toml(kind.default)
    try:
        return "unset" if value is None else _toml(written(value, hint, catalogue))
    except (PluginError, TypeError):  # nothing that TOML could say
        return repr(value)


def _toml(value: object) -> str:
    """A value in one line of TOML."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(each)}' for key, each in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return dumps(value)


def _first(text: str) -> str:
    """The first sentence."""
    return text.partition("\n")[0].partition(". ")[0].rstrip(".")


def bounds(schema: Mapping[str, Any]) -> str:
    """The bounds of a number, from its JSON Schema.

    >>> bounds({"minimum": 1, "maximum": 1000000}), bounds({"exclusiveMinimum": 0}), bounds({})
    (', from 1 to 1,000,000', ', above 0', '')
    """
    for part in schema.get("anyOf", ()):
        if found := bounds(part):
            return found
    least, most = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    lower = "" if above is None else f"above {above:,.10g}"
    lower = lower if least is None else f"at least {least:,.10g}"
    upper = "" if below is None else f"below {below:,.10g}"
    upper = upper if most is None else f"at most {most:,.10g}"
    if least is not None and most is not None:
        return f", from {least:,.10g} to {most:,.10g}"
    return "".join(f", {one}" for one in (lower, upper) if one)
