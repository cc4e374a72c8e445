"""The types that options may have: what a recipe can say, and what is made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import Field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

_SIMPLE = (bool, int, float, str, Path, NoneType)
_LISTS = (list, tuple, Sequence)
_TABLES = (dict, Mapping)
_ADVICE = (
    "write bool, int, float, str, pathlib.Path, Literal, an Enum, a dataclass, or tuple, list, "
    "Mapping[str, …] or … | None of them"
)


def option_fault(component: type) -> str | None:
    """Which option of a component a recipe cannot say; None if there is none."""
    try:
        hints = _hints(component)
    except (NameError, AttributeError, TypeError) as error:
        return (
            f"the types of its options cannot be read ({error}); "
            "import them at the top of the module"
        )
    for name, hint in hints.items():
        if (unknown := _unknown(hint, (component,))) is not None:
            return (
                f"its option {name!r} has the type {unknown}, which no option can have; {_ADVICE}"
            )
    return None


def _hints(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls, include_extras=True)
    known: tuple[Field[Any], ...] = fields(cls)
    return {item.name: hints[item.name] for item in known if item.init}


def _unknown(hint: Any, within: tuple[object, ...]) -> str | None:  # noqa: ANN401 - any type
    """The first part of a type that TOML cannot hold."""
    hint = getattr(hint, "__supertype__", hint)  # of a NewType
    parts = _parts(hint, within)
    if parts is None:
        return getattr(hint, "__name__", None) or str(hint)
    inside = (*within, hint) if is_dataclass(hint) else within
    return next((u for part in parts if (u := _unknown(part, inside)) is not None), None)


def _parts(hint: Any, within: tuple[object, ...]) -> Sequence[object] | None:  # noqa: ANN401
    """The types that a type is made of; None if TOML cannot hold it."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return arguments[:1]
    if origin is Literal:
        return _held(arguments)
    if origin in (Union, UnionType, *_LISTS):
        return [part for part in arguments if part is not Ellipsis]
    if origin in _TABLES:
        return arguments[1:] if arguments[0] is str else None
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _held([member.value for member in hint])
    if isinstance(hint, type) and is_dataclass(hint):
        return [] if hint in within else [*_hints(hint).values()]
    return [] if hint is Any or hint in (*_SIMPLE, *_LISTS, *_TABLES) else None


def _held(values: Sequence[object]) -> Sequence[object] | None:
    """No further types, if TOML can hold all of the values."""
    return [] if values and all(isinstance(v, bool | int | float | str) for v in values) else None
