"""Check one value of a recipe against one type; problems use the words of TOML."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import date, datetime, time
from enum import Enum
from functools import lru_cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, cast, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import (
    PydanticInvalidForJsonSchema,
    PydanticSchemaGenerationError,
    PydanticUserError,
)
from pydantic_core import ErrorDetails

from tlf.errors import nearest

UNIONS = (Union, UnionType)
TABLES = (dict, Mapping)
LISTS = (tuple, list, Sequence)

_EXACT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
_NOUNS: dict[Any, tuple[str, str]] = {
    bool: ("true or false", "booleans"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("a string", "strings"),
    Path: ("a path in quotes", "paths in quotes"),
    dict: ("a table", "tables"),
    list: ("a list", "lists"),
}
_BOUNDS = {
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:.12g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:.12g}",
    "string_too_short": "must have at least {min_length} character",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
}


class Problem(NamedTuple):
    """One mistake in a recipe."""

    path: str
    """Where it is: ``phases.1.scheduler.warmup``."""
    text: str
    misfit: bool = False
    """Whether the value has the wrong type."""

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text


def join(path: str, key: str | int) -> str:
    """A path with one more key.

    >>> join("phases.0", "lr"), join("", "seed"), join("phases.0.lr", "stages.2")
    ('phases.0.lr', 'seed', 'phases.0.lr."stages.2"')
    """
    text = shortened(str(key), most=100)
    plain = text.isprintable() and "." not in text
    step = text if plain else json.dumps(text, ensure_ascii=False)
    return f"{path}.{step}" if path else step


def shown(value: object) -> str:
    """A value as TOML writes it, and its type.

    >>> shown("3"), shown(True), shown(0.5), shown([1])
    ('"3" (a string)', 'true (a boolean)', '0.5 (a decimal number)', 'a list')
    >>> shown({1})  # given by a program
    '{1} (of the type set)'
    """
    if isinstance(value, bool):
        return f"{str(value).lower()} (a boolean)"
    if isinstance(value, str):
        return f"{json.dumps(shortened(value, most=60), ensure_ascii=False)} (a string)"
    if isinstance(value, (date, datetime, time)):
        return f"{value} (a date or time; quotes make it a string)"
    if isinstance(value, float):
        return f"{value} (a decimal number)"
    if isinstance(value, (list, dict)):
        return _NOUNS[type(value)][0]
    if isinstance(value, int):
        return f"{value} (a whole number)"
    return f"{shortened(repr(value), most=60)} (of the type {type(value).__name__})"


def shortened(text: str, most: int = 200) -> str:
    """A text of at most so many characters.

    >>> shortened("abcdefgh", most=7)
    'abcd...'
    """
    return text if len(text) <= most else text[: most - 3] + "..."


def expected(hint: object) -> str:
    """The values that a type takes, in TOML's words.

    >>> expected(int | Literal["auto"]), expected(tuple[str, ...]), expected(tuple[float, float])
    ('a whole number or "auto"', 'a list of strings', 'a list of 2 numbers')
    """
    hint = bare(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in UNIONS:
        return " or ".join(expected(member) for member in arguments if member is not NoneType)
    if origin is Literal:
        words = ", ".join(json.dumps(value) for value in arguments)
        return f"one of {words}" if len(arguments) > 1 else words
    if origin in LISTS:
        count = f"{len(arguments)} " if fixed(hint) else ""
        return f"a list of {count}{_several(arguments[0])}"
    if origin in TABLES:
        return f"a table of {_several(arguments[-1])}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return expected(Literal[*(member.value for member in hint)])
    return "a table" if is_dataclass(hint) else _NOUNS.get(hint, (f"a {named(hint)}",))[0]


def _several(hint: object) -> str:
    hint = bare(hint)
    return "[[tables]]" if is_dataclass(hint) else _NOUNS.get(hint, ("", "values"))[1]


def fixed(hint: object) -> bool:
    """Whether a type of lists says how many items there are, such as ``tuple[float, float]``.

    >>> fixed(tuple[float, float]), fixed(tuple[float, ...]), fixed(list[float])
    (True, False, False)
    """
    return get_origin(hint) is tuple and get_args(hint)[-1] is not Ellipsis


def bare(hint: object) -> object:
    """A type without its annotations.

    >>> bare(Annotated[int, "at least 1"])
    <class 'int'>
    """
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def named(hint: object) -> str:
    """The name of a type."""
    return str(getattr(hint, "__name__", hint))


def fit(hint: object, value: object, path: str) -> tuple[object, list[Problem]]:
    """The value as its type needs it, or its problems. Only whole numbers are converted, to floats.

    >>> fit(float, 1, "lr")
    (1.0, [])
    >>> [str(problem) for problem in fit(int, "3", "seed")[1]]
    ['seed: must be a whole number, got "3" (a string)']
    """
    # As JSON: even in strict mode lists then become tuples, and whole numbers floats.
    try:
        return _adapter(hint).validate_json(json.dumps(value)), []
    except ValidationError as error:
        details = error.errors()
        inside = {detail["loc"][:-1] for detail in details if detail["loc"]}
        # A list whose values are wrong is too short for pydantic, which has left them out.
        return None, [
            _problem(hint, value, path, detail) for detail in details if detail["loc"] not in inside
        ]
    except (PydanticSchemaGenerationError, PydanticUserError):
        text = f"its type {named(hint)} cannot be written in TOML; report it to the plugin's author"
        return None, [Problem(path, text)]
    except TypeError:  # a date, which JSON lacks
        return None, [misfit(hint, value, path)]


def _adapter(hint: object) -> TypeAdapter[object]:
    try:
        hash(hint)
    except TypeError:
        return TypeAdapter(cast("Any", hint), config=_EXACT)
    return _cached_adapter(hint)


@lru_cache(maxsize=1024)
def _cached_adapter(hint: object) -> TypeAdapter[object]:
    # Building one takes a hundred times as long as using it.
    return TypeAdapter(cast("Any", hint), config=_EXACT)


def json_schema(hint: object) -> dict[str, Any]:
    """The JSON Schema of what ``fit`` accepts for a type.

    >>> json_schema(float), json_schema(Literal["fp16", "bf16"])
    ({'type': 'number'}, {'enum': ['fp16', 'bf16'], 'type': 'string'})
    """
    try:
        schema = _adapter(hint).json_schema()
    except PydanticInvalidForJsonSchema:
        return {}  # only Python code can say what fits
    except (PydanticSchemaGenerationError, PydanticUserError):
        return {"not": {}}
    parts = schema.pop("$defs", {})
    filled: dict[str, Any] = _filled(schema, parts)
    return filled


def _filled(schema: Any, parts: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    """The schema with its parts in place of references. A part inside itself may be anything."""
    if isinstance(schema, list):
        return [_filled(item, parts) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        rest = {key: part for key, part in parts.items() if key != name}
        return _filled(parts[name], rest) if name in parts else {}
    return {key: _filled(value, parts) for key, value in schema.items()}


def misfit(hint: object, value: object, path: str) -> Problem:
    """A value of the wrong type."""
    return Problem(path, f"must be {expected(hint)}, got {shown(value)}", misfit=True)


def _problem(hint: object, value: object, path: str, detail: ErrorDetails) -> Problem:
    context, deeper = detail.get("ctx", {}), detail["loc"]
    for step in deeper:
        path = join(path, step)
    given = shown(detail["input"])
    if detail["type"] in _BOUNDS:
        return Problem(path, f"{_BOUNDS[detail['type']].format(**context)}, got {given}")
    if detail["type"] == "finite_number":
        return Problem(path, f"must be a finite number, got {given}")
    if detail["type"] in ("value_error", "assertion_error"):
        return Problem(path, f"{context['error']}, got {given}")
    if deeper:
        return Problem(path, f"{detail['msg']}, got {given}")
    return _choice(_choices(bare(hint)), value, path) or misfit(hint, value, path)


def _choices(hint: object) -> Collection[object]:
    if isinstance(hint, type) and issubclass(hint, Enum):
        return [member.value for member in hint]
    return get_args(hint)


def _choice(choices: Collection[object], value: object, path: str) -> Problem | None:
    words = [choice for choice in choices if isinstance(choice, str)]
    if not isinstance(value, str) or len(words) < 2 or len(words) < len(choices):
        return None
    given = json.dumps(shortened(value, most=60), ensure_ascii=False)
    text = f"must be one of the choices, got {given}; {nearest(value, words)}"
    return Problem(path, text, misfit=True)
