"""``key=value`` arguments that change a recipe before it is validated."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from tlf.components import DATA_KEYS
from tlf.errors import in_shell, nearest
from tlf.recipe.toml import faults, parse
from tlf.recipe.values import join, shortened, shown


def override(
    table: Mapping[str, Any], arguments: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """The table with every argument applied, and a problem for each that cannot be applied.

    Arguments that replace a whole component come first, in whatever order they are given: otherwise
    they would drop the options that other arguments set.

    >>> override({"head": "linear"}, ["head.dropout=0.5", "seed=1"])
    ({'head': {'kind': 'linear', 'dropout': 0.5}, 'seed': 1}, [])
    """
    changed, parsed, problems = deepcopy(dict(table)), [], []
    for argument in _joined(arguments):
        try:
            if argument not in arguments:
                raise ValueError(f"has spaces at its =; write {_without_spaces(argument)}")
            parsed.append((argument, *_parse(argument)))
        except ValueError as error:
            problems.append(f"{shortened(argument)}: {error}")
    for argument, path, value in sorted(parsed, key=lambda item: _depth(item[1])):
        try:
            _put(changed, path, value)
        except ValueError as error:
            problems.append(f"{shortened(argument)}: {error}")
    return changed, [*problems, *map(str, faults(changed))]


def given_keys(table: Mapping[str, Any], arguments: Sequence[str]) -> tuple[str, ...]:
    """The keys that arguments set in a table: items of lists by position, and a whole component or
    table where its kind is set or it is new.

    >>> recipe = {"phases": [{"name": "all", "lr": 0.1, "scheduler": {"kind": "cosine"}}]}
    >>> given_keys(recipe, ["phases.all.lr=1", "phases.0.scheduler.kind=step", "loss.gamma=2"])
    ('phases.0.lr', 'phases.0.scheduler', 'loss')
    """
    return tuple(".".join(_steps_in(table, _parse(argument)[0])) for argument in arguments)


def value_at(table: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401 - of any type
    """What a table holds at the key of an override.

    >>> value_at({"phases": [{"name": "all", "lr": 0.1}]}, "phases.all.lr")
    0.1
    """
    found: Any = table
    for step in key_parts(key):
        found = found[_index(found, step, "the list") if isinstance(found, list) else step]
    return found


def _steps_in(table: Any, path: Sequence[str]) -> Iterator[str]:  # noqa: ANN401 - of any type
    for step in path[:-1] if path[-1] == "kind" else path:
        if isinstance(table, list):
            position = _index(table, step, "the list")
            yield str(position)
            table = table[position]
        else:
            yield step
            if not isinstance(table, dict) or step not in table:
                return
            table = table[step]


def _joined(arguments: Sequence[str]) -> Iterator[str]:
    """The arguments; one for each key and value with spaces at their ``=``, which is a mistake.

    >>> [*_joined(["seed", "=", "3", "data.root=a", "workers=", "2", "lr", "=1"])]
    ['seed = 3', 'data.root=a', 'workers= 2', 'lr =1']
    """
    left = [*arguments]
    while left:
        whole = left.pop(0)
        if left and "=" not in whole and left[0].startswith("="):
            whole = f"{whole} {left.pop(0)}"
        if left and whole.endswith("=") and ("=" not in left[0] or left[0].startswith(("{", "["))):
            whole = f"{whole} {left.pop(0)}"
        yield whole


def _without_spaces(argument: str) -> str:
    """An override as a person may paste it, without the spaces at its ``=``.

    >>> _without_spaces("seed = 3"), _without_spaces("data.root = my photos")
    ('seed=3', "'data.root=my photos'")
    """
    key, _, value = argument.partition("=")
    return in_shell(f"{key.strip()}={value.strip()}")


def _depth(path: Sequence[str]) -> int:
    return len(path) - (path[-1] == "kind")


def _parse(argument: str) -> tuple[list[str], object]:
    if not _is_text(argument):
        raise ValueError("must be UTF-8, as the recipe of a run is; rename what it names")
    key, equals, value = argument.partition("=")
    if not equals:
        raise ValueError("must be an override, key=value; write phases.0.lr=0.01, for example")
    return key_parts(key), _value(value, key)


def _is_text(argument: str) -> bool:
    """Whether it can be written; bytes of the command line may be no text."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def key_parts(key: str) -> list[str]:
    """The parts of a dotted key.

    >>> key_parts('phases.0.lr."stages.2"')
    ['phases', '0', 'lr', 'stages.2']
    """
    try:
        inner: Any = parse(f"{key} = 0")
    except ValueError:
        inner = {}
    steps: list[str] = []
    while isinstance(inner, dict) and len(inner) == 1:
        step, inner = next(iter(inner.items()))
        steps.append(step)
    if inner != 0:
        raise ValueError(
            f"the key must be names with dots between them, got {shortened(repr(key))}"
        )
    return steps


def _value(text: str, key: str) -> object:
    """A value as TOML reads it; a bare word is a string.

    >>> _value("1e-3", "lr"), _value("[1, 2]", "x"), _value("my/images", "root")
    (0.001, [1, 2], 'my/images')
    """
    if not text.strip():
        raise ValueError(f"must have a value; for an empty string write {key}='\"\"'")
    try:
        content = parse(f"value = {text}")
    except tomllib.TOMLDecodeError as error:
        if text.lstrip()[0] in "[{\"'":
            fault = shortened(str(error))
            raise ValueError(f"the value must be TOML: {fault}") from error
        return text
    if text.lstrip().startswith("+"):  # TOML reads +3 as 3
        bare = shortened(text.strip()[1:])
        raise ValueError(
            f"the value must have no +: it replaces the old one; write {key}={bare}, or the sum"
        )
    return content["value"] if len(content) == 1 else text


def _put(table: dict[str, Any], path: Sequence[str], value: object) -> None:
    container: dict[str, Any] | list[Any] = table
    where = ""
    for step in path[:-1]:
        container, where = _inside(container, step, where), join(where, step)
    last = path[-1]
    if isinstance(container, list):
        container[_index(container, last, where)] = value
        return
    if last == "kind" and container.get("kind", value) != value:
        for key in [key for key in container if key not in DATA_KEYS]:
            del container[key]
    container[last] = value


def _inside(
    container: dict[str, Any] | list[Any], step: str, where: str
) -> dict[str, Any] | list[Any]:
    """The table or list at ``step``: a missing one is created, a kind alone becomes a table."""
    holder: Any = container
    key = _index(container, step, where) if isinstance(container, list) else step
    inner = holder[key] if isinstance(container, list) else container.setdefault(step, {})
    if isinstance(inner, str):
        inner = holder[key] = {"kind": inner}
    if not isinstance(inner, (dict, list)):
        raise ValueError(f"{join(where, step)} must be a table or a list, got {shown(inner)}")
    return inner


def _index(items: list[Any], step: str, where: str) -> int:
    """The position of an item, given its number or its name."""
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    if step.isdecimal() and len(step) < 10 and int(step) < len(items):
        return int(step)
    if step in names:
        return names.index(step)
    known = [name for name in names if isinstance(name, str)]
    others = f"; {nearest(step, known)}" if known else ""
    count = f"{len(items)} item" + ("" if len(items) == 1 else "s")
    raise ValueError(f"{where} has {count}, counted from 0, but no {step}{others}")
