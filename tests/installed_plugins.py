"""Sources of plugins, which the tests of ``tlf.plugins`` install."""

from dataclasses import dataclass

import pytest

from tlf.errors import PluginError
from tlf.plugins.loading import load_plugins
from tlf.results import EpochResult

HEADER = """
from dataclasses import dataclass
from tlf.hookspecs import hookimpl

@dataclass(frozen=True)
class Gem:
    width: int = 2
    def build(self, num_features, num_classes):
        return None
"""

HEADS = (
    HEADER
    + """
@hookimpl
def tlf_heads():
    return {"gem": Gem}
"""
)

RESULT = EpochResult("head", 0, 1.0, {"loss": 1.0, "top1": 0.5}, 0.1, 3, 1.0, 9.0)


@dataclass(frozen=True)
class Plain:
    """The only built-in head of these tests."""

    bias: bool = True

    def build(self, num_features: int, num_classes: int) -> None:
        """Build nothing."""


def failure(*names: str) -> str:
    """The error of loading plugins."""
    with pytest.raises(PluginError) as caught:
        load_plugins(names)
    return str(caught.value)
