"""The embedded default: drawn ants and bees, the formula images that the starter weights were
trained on, and those weights.
"""

from tlf.builtin.starter.dataset import Starter
from tlf.builtin.starter.formula import Formula
from tlf.hookspecs import hookimpl


@hookimpl
def tlf_datasets() -> dict[str, type]:
    """What comes with tlf, drawn on the spot."""
    return {"starter": Starter, "formula": Formula}
