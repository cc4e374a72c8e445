"""Paths in a recipe: which options are paths, and absolute ones in their place.

A path in a recipe is relative to the working directory. A recipe that is read has absolute paths
only, and so has the recipe in a run's folder: it means the same files from any working directory.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, is_dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, get_args

from tlf.components import IsPath
from tlf.data.ranges.addresses import is_remote, scheme
from tlf.errors import RunError
from tlf.recipe.tables import kind_of, options
from tlf.runtime.files import absolute, is_run

if TYPE_CHECKING:
    from tlf.recipe.schema import Recipe

_TYPED = IsPath(when=lambda text: False)
"""For types that hold a ``Path``: strings are no paths beside it."""


def with_absolute_paths(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a dataclass with absolute paths, those of defaults included.

    Raises:
        RunError: a path is empty and its default is not, is in the folder of a user that does not
            exist, or cannot be written down.
    """
    placed = dict(values)
    for name, (item, hint) in options(cls).items():
        mark = _mark(hint)
        if mark is not None and (name in values or _has_default(item)):
            value = values[name] if name in values else _default(item)
            if value == "" != item.default and mark.when(""):
                raise RunError(f'{name} must be a path, got ""; "." is the working directory')
            placed[name] = _placed(value, mark)
    return placed


def moved_here(value: Any, there: str, here: str) -> Any:  # noqa: ANN401 - any value of TOML
    """The table of a recipe from another host: what lies in that host's working directory is here
    in this one's.

    >>> moved_here({"data": {"root": "/a/images"}, "output": "/b/run"}, "/a", "/c")
    {'data': {'root': '/c/images'}, 'output': '/b/run'}
    """
    if isinstance(value, dict):
        return {key: moved_here(each, there, here) for key, each in value.items()}
    if isinstance(value, list):
        return [moved_here(each, there, here) for each in value]
    inside = isinstance(value, str) and value.startswith(there + os.sep)
    return here + value[len(there) :] if inside else value


def path_keys(value: object, prefix: str = "") -> Iterator[str]:
    """The dotted keys of a recipe that hold paths.

    >>> from tlf.recipe.schema import CacheSettings
    >>> [*path_keys(CacheSettings(), "cache.")]
    ['cache.dir']
    """
    for name, (_, hint) in options(type(value)).items():
        item, kind = getattr(value, name), kind_of(hint)
        inside = prefix if kind and kind.beside else f"{prefix}{name}."
        if _mark(hint) is not None:
            yield f"{prefix}{name}"
        elif isinstance(item, tuple | list):
            for number, each in enumerate(item):
                if is_dataclass(each):
                    yield from path_keys(each, f"{inside}{number}.")
        elif is_dataclass(item):
            yield from path_keys(item, inside)


def _run_of(weights: Path) -> Path | None:
    """The run whose best model a path names, by its folder or by its file; None for another
    file.
    """
    folder = weights if weights.is_dir() else weights.parent
    own = weights == folder or weights.name == "model.safetensors"
    return folder if own and is_run(folder) else None


def starting_runs(recipe: "Recipe") -> dict[str, Path]:
    """The run whose weights training starts from, under the key of the recipe that names it; empty
    where none does. ``start_from`` takes the place of ``backbone.weights``.
    """
    key, weights = "start_from", recipe.start_from
    if weights is None:
        key, weights = "backbone.weights", getattr(recipe.backbone, "weights", None)
    folder = _run_of(Path(weights)) if isinstance(weights, str) else None
    return {} if folder is None else {key: folder}


def is_on_disk(dataset: object) -> bool:
    """Whether a dataset lists its images without a server, as far as its options tell.

    It says so itself by ``on_disk = True``, an attribute of its class. Otherwise it has to name
    paths, nothing else where it could name a path, and an address nowhere.
    """
    if getattr(type(dataset), "on_disk", False) is True:
        return True
    values = {name: getattr(dataset, name) for name in options(type(dataset))}
    marked = [
        (mark, value)
        for name, (_, hint) in options(type(dataset)).items()
        if (mark := _mark(hint)) and (value := values[name])
    ]
    here = all(
        not isinstance(value, str) or mark.when(value) or scheme(value) == "file"
        for mark, value in marked
    )
    return bool(marked) and here and not any(map(is_remote, _texts(values)))


def _texts(value: object) -> Iterator[str]:
    """The strings in the options of a component."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for each in value.values() for text in _texts(each))
    elif isinstance(value, tuple | list):
        yield from (text for each in value for text in _texts(each))
    elif is_dataclass(value):
        yield from _texts(vars(value))


def _mark(hint: object) -> IsPath | None:
    """What says which values of a type are paths; None where none is."""
    if isinstance(hint, IsPath):
        return hint
    hint = getattr(hint, "__supertype__", hint)  # of a NewType
    if isinstance(hint, type) and issubclass(hint, PurePath):
        return _TYPED
    marks = [mark for part in get_args(hint) if (mark := _mark(part))]
    return next((mark for mark in marks if mark is not _TYPED), marks[0] if marks else None)


def _has_default(item: Field[Any]) -> bool:
    return item.default is not MISSING or item.default_factory is not MISSING


def _default(item: Field[Any]) -> object:
    return item.default if item.default_factory is MISSING else item.default_factory()


def _placed(value: object, mark: IsPath) -> object:
    """A value with absolute paths."""
    if isinstance(value, PurePath):
        return Path(absolute(value))
    if isinstance(value, str):
        return str(absolute(value)) if value and mark.when(value) else value
    if isinstance(value, tuple):
        return tuple(_placed(each, mark) for each in value)
    if isinstance(value, list):
        return [_placed(each, mark) for each in value]
    if isinstance(value, Mapping):
        return {key: _placed(each, mark) for key, each in value.items()}
    return value
