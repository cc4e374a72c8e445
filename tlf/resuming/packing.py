"""Nested values with tensors in them ↔ flat tensors and JSON: what safetensors and JSON can
hold.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

_TENSOR, _TUPLE = "$tensor", "$tuple"


def pack(value: object, path: str, tensors: dict[str, Tensor]) -> Any:  # noqa: ANN401 - JSON
    """Put the tensors inside ``value`` into ``tensors``, under names that begin with ``path``.

    Returns:
        What is left, as JSON has it, with the names in the tensors' places.

    Raises:
        TypeError: there is something that is neither a tensor nor JSON.

    >>> import torch
    >>> held = {}
    >>> left = pack({"step": torch.ones(1), "betas": (0.9, 0.99)}, "a", held)
    >>> left
    {'step': {'$tensor': 'a/step'}, 'betas': {'$tuple': [0.9, 0.99]}}
    >>> unpack(left, held)
    {'step': tensor([1.]), 'betas': (0.9, 0.99)}
    """
    match value:
        case Tensor():
            tensors[path] = value
            return {_TENSOR: path}
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): pack(item, f"{path}/{key}", tensors) for key, item in value.items()}
        case list():
            return [pack(item, f"{path}/{n}", tensors) for n, item in enumerate(value)]
        case tuple():
            return {_TUPLE: pack(list(value), path, tensors)}
    raise TypeError(f"{path} holds a {type(value).__name__}, which cannot be stored")


def unpack(value: object, tensors: Mapping[str, Tensor]) -> Any:  # noqa: ANN401 - JSON
    """Undo ``pack``."""
    match value:
        case {"$tensor": str(name)}:
            return tensors[name]
        case {"$tuple": list(items)}:
            return tuple(unpack(item, tensors) for item in items)
        case dict():
            return {key: unpack(item, tensors) for key, item in value.items()}
        case list():
            return [unpack(item, tensors) for item in value]
    return value
