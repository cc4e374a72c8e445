"""Nested values that contain tensors ↔ named tensors for safetensors, and JSON."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

import torch
from torch import Tensor

_TENSOR, _TUPLE, _DTYPE, _FLOAT = "$tensor", "$tuple", "$dtype", "$float"


def pack(value: object, path: str, tensors: dict[str, Tensor]) -> Any:  # noqa: ANN401 - JSON
    """Move the tensors inside ``value`` into ``tensors``, under names that begin with ``path``.

    Returns:
        The rest as JSON, with each tensor replaced by its name.

    Raises:
        TypeError: names a value that is neither a tensor, nor a dtype, nor JSON.

    >>> import torch
    >>> held = {}
    >>> left = pack({"step": torch.ones(1), "betas": (0.9, 0.99), "in": torch.half}, "a", held)
    >>> left
    {'step': {'$tensor': 'a/step'}, 'betas': {'$tuple': [0.9, 0.99]}, 'in': {'$dtype': 'float16'}}
    >>> unpack(left, held)
    {'step': tensor([1.]), 'betas': (0.9, 0.99), 'in': torch.float16}
    """
    match value:
        case Tensor():
            name = _free(path, tensors)
            tensors[name] = value
            return {_TENSOR: name}
        case float() if not isfinite(value):  # an optimizer's setting, such as no bound
            return {_FLOAT: str(value)}
        case None | bool() | int() | float() | str():
            return value
        case torch.dtype():
            return {_DTYPE: str(value).removeprefix("torch.")}
        case Mapping():
            return {str(key): pack(item, f"{path}/{key}", tensors) for key, item in value.items()}
        case list():
            return [pack(item, f"{path}/{n}", tensors) for n, item in enumerate(value)]
        case tuple():
            return {_TUPLE: pack(list(value), path, tensors)}
    raise TypeError(f"{path} holds a {type(value).__name__}, which cannot be stored")


def _free(path: str, tensors: Mapping[str, Tensor]) -> str:
    """A name that no tensor has yet: the keys "a/b", and "a" with "b" in it, give one path."""
    return _free(f"{path}+", tensors) if path in tensors else path


def unpack(value: object, tensors: Mapping[str, Tensor]) -> Any:  # noqa: ANN401 - JSON
    """Undo ``pack``."""
    match value:
        case {"$tensor": str(name)}:
            return tensors[name]
        case {"$tuple": list(items)}:
            return tuple(unpack(item, tensors) for item in items)
        case {"$float": str(number)}:
            return float(number)
        case {"$dtype": str(name)}:
            return getattr(torch, name)
        case dict():
            return {key: unpack(item, tensors) for key, item in value.items()}
        case list():
            return [unpack(item, tensors) for item in value]
    return value
