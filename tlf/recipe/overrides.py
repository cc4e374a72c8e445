"""``key=value`` arguments that change a recipe before it is validated."""

import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from tlf.errors import nearest
from tlf.recipe.values import join, shown

ENGINE_KEYS = ("bad_images",)
"""Keys that stand beside a component's options and are not its own."""


def override(
    table: Mapping[str, Any], arguments: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """The table with every argument applied, and what is wrong with those that could not be.

    What names a whole component comes first, whatever the order: so no option that was asked for is
    dropped with the old component's.

    >>> override({"head": "linear"}, ["head.dropout=0.5", "seed=1"])
    ({'head': {'kind': 'linear', 'dropout': 0.5}, 'seed': 1}, [])
    """
    changed, parsed, problems = deepcopy(dict(table)), [], []
    for argument in arguments:
        try:
            parsed.append((argument, *_parse(argument)))
        except ValueError as error:
            problems.append(f"{argument}: {error}")
    for argument, path, value in sorted(parsed, key=lambda item: _depth(item[1])):
        try:
            _put(changed, path, value)
        except ValueError as error:
            problems.append(f"{argument}: {error}")
    return changed, problems


def _depth(path: Sequence[str]) -> int:
    return len(path) - (path[-1] == "kind")


def _parse(argument: str) -> tuple[list[str], object]:
    key, equals, value = argument.partition("=")
    if not equals:
        raise ValueError("not an override; write key=value, such as phases.0.lr=0.01")
    return _path(key), _value(value, key)


def _path(key: str) -> list[str]:
    """The steps of a dotted key.

    >>> _path('phases.0.lr."stages.2"')
    ['phases', '0', 'lr', 'stages.2']
    """
    try:
        inner: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        inner = {}
    steps: list[str] = []
    while isinstance(inner, dict) and len(inner) == 1:
        step, inner = next(iter(inner.items()))
        steps.append(step)
    if inner != 0:
        raise ValueError(f"{key!r} is not a key; write names with dots between them")
    return steps


def _value(text: str, key: str) -> object:
    """A value as TOML reads it; a bare word is a string.

    >>> _value("1e-3", "lr"), _value("[1, 2]", "x"), _value("my/images", "root")
    (0.001, [1, 2], 'my/images')
    """
    if not text.strip():
        raise ValueError(f"has no value; an empty string is {key}='\"\"'")
    try:
        content = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError as error:
        if text.lstrip()[0] in "[{\"'":
            raise ValueError(f"the value is not TOML: {error}") from error
        return text
    return content["value"] if len(content) == 1 else text


def _put(table: dict[str, Any], path: Sequence[str], value: object) -> None:
    place: dict[str, Any] | list[Any] = table
    where = ""
    for step in path[:-1]:
        place, where = _inside(place, step, where), join(where, step)
    last = path[-1]
    if isinstance(place, list):
        place[_index(place, last, where)] = value
        return
    if last == "kind" and place.get("kind", value) != value:
        for key in [key for key in place if key not in ENGINE_KEYS]:
            del place[key]
    place[last] = value


def _inside(place: dict[str, Any] | list[Any], step: str, where: str) -> dict[str, Any] | list[Any]:
    """The table or list at ``step``. One that is missing is begun; a kind alone becomes a table."""
    holder: Any = place
    key = _index(place, step, where) if isinstance(place, list) else step
    found = holder[key] if isinstance(place, list) else place.setdefault(step, {})
    if isinstance(found, str):
        found = holder[key] = {"kind": found}
    if not isinstance(found, (dict, list)):
        raise ValueError(f"{join(where, step)} is {shown(found)} and has nothing inside it")
    return found


def _index(items: list[Any], step: str, where: str) -> int:
    """The position of an item, by number or by its name."""
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    if step.isdecimal() and int(step) < len(items):
        return int(step)
    if step in names:
        return names.index(step)
    known = [name for name in names if isinstance(name, str)]
    others = f"; {nearest(step, known)}" if known else ""
    count = f"{len(items)} item" + ("" if len(items) == 1 else "s")
    raise ValueError(f"{where} has {count}, counted from 0, and none is {step}{others}")
