"""Plugins: find, check and register them, and name the one that broke. It knows hooks and
components, and nothing of recipes or training.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tlf.plugins.loading import load_plugins

__all__ = ["load_plugins"]


def __getattr__(name: str) -> object:
    """Import ``load_plugins`` when it is asked for: ``tlf --help`` looks at names alone."""
    if name == "load_plugins":
        from tlf.plugins.loading import load_plugins

        return load_plugins
    raise AttributeError(f"module 'tlf.plugins' has no attribute {name!r}")
