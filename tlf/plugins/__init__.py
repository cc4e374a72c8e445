"""Plugins: find, check and register them, and name the one that broke. Knows hooks and components,
but not recipes or training.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tlf.plugins.loading import load_plugins

__all__ = ["load_plugins"]


def __getattr__(name: str) -> object:
    """Import ``load_plugins`` when it is asked for: ``tlf --help`` only needs names."""
    if name == "load_plugins":
        from tlf.plugins.loading import load_plugins

        return load_plugins
    raise AttributeError(f"module 'tlf.plugins' has no attribute {name!r}")
