"""The embedded default: drawn ants and bees, the formula pictures that the starter weights were
trained on, and those weights.
"""

from tlf.hookspecs import hookimpl
from tlf.starter.dataset import Starter
from tlf.starter.formula import Formula


@hookimpl
def tlf_datasets() -> dict[str, type]:
    """What comes with tlf, drawn on the spot."""
    return {"starter": Starter, "formula": Formula}
