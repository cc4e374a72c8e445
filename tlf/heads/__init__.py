"""The heads that come with tlf: features (B, F) → logits (B, K). They need torch and nothing else,
so that a trained head loads in a program that has no other library.

Each has a module of its own, which is imported when its kind is looked up: a program that loads a
head does not wait for the others.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tlf.heads.attention_pool import AttentionPool
    from tlf.heads.cosine import Cosine
    from tlf.heads.linear import Linear
    from tlf.heads.mlp import Mlp

_HOMES = {
    "linear": ("linear", "Linear"),
    "mlp": ("mlp", "Mlp"),
    "cosine": ("cosine", "Cosine"),
    "attention-pool": ("attention_pool", "AttentionPool"),
}
"""Kind → module, and the class in it."""


class Kinds(Mapping[str, "type[Linear | Mlp | Cosine | AttentionPool]"]):
    """What a recipe calls a head → its class.

    >>> [*KINDS]
    ['linear', 'mlp', 'cosine', 'attention-pool']
    >>> KINDS["mlp"](hidden=(8,))
    Mlp(hidden=(8,), dropout=0.0, norm='none')
    """

    def __getitem__(self, kind: str) -> "type[Linear | Mlp | Cosine | AttentionPool]":
        module, name = _HOMES[kind]
        found: type[Linear | Mlp | Cosine | AttentionPool]
        found = getattr(import_module(f"tlf.heads.{module}"), name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(_HOMES)

    def __len__(self) -> int:
        return len(_HOMES)


KINDS = Kinds()
