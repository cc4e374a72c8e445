"""Simulations of small networks."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from generators import exhausted
from installing import installed, write_project
from odd_networks import SOURCE
from small import TWO_PHASES, write_recipe
from tlf.simulator.simulation import Simulation, open_simulation

ODD = """
transforms.size = 8
transforms.resize = 10
phases = [{{ name = "head", freeze = "backbone", epochs = 1, lr = 0.1 }}]
[backbone]
kind = "odd:chain"
{}
"""


@pytest.fixture(scope="session")
def simulation(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Simulation:
    """A small ResNet. No test may change it."""
    recipe = write_recipe(tmp_path_factory.mktemp("sim") / "small.toml", images, TWO_PHASES)
    opened: Simulation = exhausted(open_simulation(recipe))[0]
    return opened


@pytest.fixture(scope="module")
def odd_plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Install the plugin of ``odd_networks``: other modules must not see it."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "site").mkdir()
    with installed(folder / "site", write_project(folder / "project", "odd", SOURCE)):
        yield


@pytest.fixture
def odd(odd_plugin: None, tmp_path: Path, images: Path) -> Callable[..., Simulation]:
    """Open a chain of convolutions, with options of its backbone and overrides."""

    def opened(options: str = "", *overrides: str) -> Simulation:
        recipe = write_recipe(tmp_path / "odd.toml", images, ODD.format(options))
        found: Any = exhausted(open_simulation(recipe, overrides))[0]
        return found

    return opened
