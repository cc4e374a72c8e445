"""Which fields of a dataclass hold components, and the way from a dataclass to a TOML table."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import Field, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import PurePath
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from tlf.catalogue import Catalogue
from tlf.errors import PluginError
from tlf.recipe.values import bare


@dataclass(frozen=True)
class Kind:
    """Marks a field that holds a component, or several."""

    hook: str
    """The hook that offers such components."""
    noun: str
    """What messages call such a component."""
    default: str | None = None
    """The component if the recipe names none."""
    many: bool = False
    """Whether the field takes a list of components."""
    beside: tuple[str, ...] = ()
    """Keys of tlf's own in the same table as the component's options."""


def kind_of(hint: object) -> Kind | None:
    """The ``Kind`` that marks a type, if there is one."""
    if get_origin(hint) is not Annotated:
        return None
    return next((mark for mark in get_args(hint)[1:] if isinstance(mark, Kind)), None)


def options(cls: type) -> Mapping[str, tuple[Field[Any], Any]]:
    """Name → field and type, for every argument of a dataclass."""
    return _options(cls)


@cache
def _options(cls: Hashable) -> Mapping[str, tuple[Field[Any], Any]]:
    hints = get_type_hints(cls, include_extras=True)
    return {item.name: (item, hints[item.name]) for item in fields(cls) if item.init}  # type: ignore[arg-type]


def readable_options(cls: type, owner: str) -> Mapping[str, tuple[Field[Any], Any]]:
    """The options of a class that a plugin may have written. ``owner`` is named if they fail.

    Raises:
        PluginError: the types of its options cannot be found.
    """
    try:
        return options(cls)
    except (NameError, AttributeError, TypeError) as error:
        raise PluginError(
            f"{owner}: the types of its options cannot be read ({error}); "
            "import them at the top of the module"
        ) from error


def kinds(cls: type, table: object) -> Iterator[str]:
    """The name of every component in a table that is not validated yet."""
    given = folded(cls, table)
    for name, (_, hint) in options(cls).items():
        value = given.get(name)
        items = value if isinstance(value, list) else [value]
        inner = dataclass_in(hint)
        for item in items:
            if kind_of(hint):
                kind = item.get("kind") if isinstance(item, dict) else item
                yield from [kind] if isinstance(kind, str) else []
            elif inner:
                yield from kinds(inner, item)


def dataclass_in(hint: object) -> type | None:
    """The dataclass in a type such as ``tuple[Phase, ...]``, if there is one."""
    candidates = [bare(hint), *get_args(bare(hint))]
    return next((c for c in candidates if isinstance(c, type) and is_dataclass(c)), None)


def folded(cls: type, table: object) -> dict[str, Any]:
    """The table, with a component's options moved under one key if they are beside other keys."""
    for name, (_, hint) in options(cls).items():
        kind = kind_of(hint)
        if kind and kind.beside:
            if not isinstance(table, dict):
                return {name: table}
            rest = {key: value for key, value in table.items() if key not in kind.beside}
            return {name: rest} | {key: table[key] for key in kind.beside if key in table}
    return table if isinstance(table, dict) else {}


def inline_kind(cls: type) -> Kind | None:
    """The ``Kind`` of the field whose options are beside other keys, if there is one."""
    marks = [kind_of(hint) for _, hint in options(cls).values()]
    return next((mark for mark in marks if mark and mark.beside), None)


def written(value: object, hint: object, catalogue: Catalogue) -> object:
    """A value as TOML can hold it: components under their kinds, with every default.

    What a program says as TOML does stays as it is: a kind, or a table with a kind.
    """
    kind = kind_of(hint)
    if isinstance(value, tuple | list):
        return [written(each, hint, catalogue) for each in value]
    if isinstance(value, Mapping):
        inner = None if kind else dataclass_in(hint)
        hints = {name: own for name, (_, own) in options(inner).items()} if inner else {}
        return {key: written(each, hints.get(key), catalogue) for key, each in value.items()}
    if isinstance(value, str):
        return value.value if isinstance(value, Enum) else value
    if kind:
        return _component(value, kind, catalogue)
    if is_dataclass(value):
        return table(value, catalogue)
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, PurePath) else value


def table(value: object, catalogue: Catalogue) -> dict[str, Any]:
    """A dataclass as a table, without the values that are ``None``: TOML has no null."""
    content: dict[str, Any] = {}
    for name, (_, hint) in options(type(value)).items():
        item = getattr(value, name)
        if (kind := kind_of(hint)) and kind.beside:
            content |= titled(written(item, hint, catalogue))
        elif item is not None:
            content[name] = written(item, hint, catalogue)
    return content


def titled(component: object) -> dict[str, Any]:
    """A component as a table, even if it has no options.

    >>> titled("linear")
    {'kind': 'linear'}
    """
    return component if isinstance(component, dict) else {"kind": component}


def _component(value: object, kind: Kind, catalogue: Catalogue) -> object:
    offers = catalogue.of(kind.hook).values()
    name = next((offer.kind for offer in offers if offer.component is type(value)), None)
    if name is None:
        article = "an" if kind.noun[0] in "aeiou" else "a"
        raise PluginError(
            f"{article} {kind.noun} must be a kind, a table with a kind, or a component of the "
            f"recipe's plugins, got {type(value).__name__}; add its plugin to the recipe's plugins"
        )
    content = table(value, catalogue)
    return {"kind": name, **content} if content else name
