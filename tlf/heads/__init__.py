"""The heads that come with tlf: features (B, F) → logits (B, K). They need no library but torch, so
that a trained head loads in a program without tlf's other dependencies.

Each kind has a module of its own, imported when the kind is looked up: a program that loads a head
does not wait for the others.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tlf.heads.attention_pool import AttentionPool as AttentionPool
    from tlf.heads.cosine import Cosine as Cosine
    from tlf.heads.linear import Linear as Linear
    from tlf.heads.mlp import Mlp as Mlp

_CLASSES = {
    "linear": "Linear",
    "mlp": "Mlp",
    "cosine": "Cosine",
    "attention-pool": "AttentionPool",
}
"""Kind, whose module has the same name → the class in it."""


class Kinds(Mapping[str, "type[Linear | Mlp | Cosine | AttentionPool]"]):
    """What a recipe calls a head → its class.

    >>> [*KINDS]
    ['linear', 'mlp', 'cosine', 'attention-pool']
    >>> KINDS["mlp"](hidden=(8,))
    Mlp(hidden=(8,), dropout=0.0, norm='none')
    """

    def __getitem__(self, kind: str) -> "type[Linear | Mlp | Cosine | AttentionPool]":
        name = _CLASSES[kind]
        module = import_module(f"tlf.heads.{kind.replace('-', '_')}")
        head: type[Linear | Mlp | Cosine | AttentionPool] = getattr(module, name)
        return head

    def __iter__(self) -> Iterator[str]:
        return iter(_CLASSES)

    def __len__(self) -> int:
        return len(_CLASSES)


KINDS = Kinds()


def __getattr__(name: str) -> object:
    """Import a head's class when it is used first."""
    for kind, head in _CLASSES.items():
        if head == name:
            return KINDS[kind]
    raise AttributeError(f"module 'tlf.heads' has no attribute {name!r}")
