"""The embedded default: drawn ants and bees."""

from tlf.builtin.starter.dataset import Starter
from tlf.hookspecs import hookimpl


@hookimpl
def tlf_datasets() -> dict[str, type]:
    """What comes with tlf, drawn on the spot."""
    return {"starter": Starter}
