"""Offers the heads of ``tlf.heads``, which know nothing of plugins."""

from tlf.heads import KINDS
from tlf.hookspecs import hookimpl


@hookimpl
def tlf_heads() -> dict[str, type]:
    """Offer the heads."""
    return dict(KINDS)
