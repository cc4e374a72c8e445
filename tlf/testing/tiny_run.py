"""A run that takes a fraction of a second: a network of three layers trains on 12 drawn images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from pathlib import Path
from types import ModuleType

from PIL import Image
from torch import nn

from tlf.catalogue import Catalogue, Offer, Plugin
from tlf.components import BuiltBackbone, Split, Splits
from tlf.plugins.attribution import blaming_manager
from tlf.plugins.loading import Plugins, extend, load_plugins
from tlf.preprocessing import Preprocessing
from tlf.recipe.files import resolve
from tlf.recipe.plan import Plan

CHECKED = Plugin("checked", "checked", "0")
"""Stands for the plugin that is checked."""

UPDATES = 9
"""Updates of the run, in three epochs of two phases."""

SIDE = 8


@dataclass(frozen=True)
class Stripes:
    """Images of two classes: stripes that run across or down."""

    def build(self) -> Splits:
        """12 train and 6 eval images."""
        train, held_out = (Split([str(n) for n in part], [n % 2 for n in part], stripes)
                           for part in (range(12), range(6)))  # fmt: skip
        return Splits(train, held_out, ("across", "down"))


def stripes(number: int) -> bytes:
    """An image file: stripes that run across, or down where the number is odd."""
    image, held = Image.new("RGB", (SIDE, SIDE), (20 * number, 90, 40)), BytesIO()
    for place in range(number % 4, SIDE, 3):
        box = (place, 0, place + 1, SIDE) if number % 2 else (0, place, SIDE, place + 1)
        image.paste((250, 250 - 15 * number, 200), box)
    image.save(held, "PNG")
    return held.getvalue()


@dataclass(frozen=True)
class Network:
    """Two convolutional layers with BatchNorm."""

    def build(self) -> BuiltBackbone:
        """Its weights are drawn."""
        layers = nn.Sequential(_block(3, 4), _block(4, 6), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        stages = {
            stage: tuple(n for n, _ in layers.named_parameters() if n.startswith(place))
            for stage, place in {"stem": "0.", "top": "1."}.items()
        }
        return BuiltBackbone(layers, 6, stages, Preprocessing(SIDE, SIDE), "fc")


def _block(channels: int, more: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, more, 3, padding=1, bias=False), nn.BatchNorm2d(more), nn.ReLU()
    )


def tiny_plan(folder: Path, hooks: object = None, extensions: Sequence[object] = ()) -> Plan:
    """The plan of the run.

    Parameters:
        folder: its folder, which is created.
        hooks: the module of a plugin, for its hooks.
        extensions: of different classes, or of one class with different options.
    """
    own = _own()
    offers = {(cls := type(one)).__name__: Offer("tlf_extensions", f"checked:{cls.__name__}", cls,
                                                 CHECKED) for one in extensions}  # fmt: skip
    catalogue = Catalogue(
        (
            *own.catalogue.offers,
            *offers.values(),
            Offer("tlf_datasets", "checked:stripes", Stripes, CHECKED),
            Offer("tlf_backbones", "checked:network", Network, CHECKED),
        )
    )
    plugins = Plugins(catalogue, blaming_manager({CHECKED.name: CHECKED}), own.loaded)
    if isinstance(hooks, ModuleType):
        plugins.manager.register(hooks, name=CHECKED.name)
    extend(plugins, extensions)
    recipe = resolve(_content(folder), catalogue)
    return Plan(replace(recipe, extensions=tuple(extensions)), plugins, "a small run")


@cache
def _own() -> Plugins:
    return load_plugins(())


def _content(folder: Path) -> dict[str, object]:
    return {
        "output": str(folder),
        "batch_size": 4,
        "precision": "no",
        "deterministic": True,
        "workers": 0,
        "checkpoint_every": {"updates": 1},
        "cache": {"mode": "off"},
        "data": {"kind": "checked:stripes"},
        "backbone": {"kind": "checked:network"},
        "head": {"kind": "linear", "dropout": 0.1},
        "phases": [
            {"name": "head", "freeze": "backbone", "epochs": 2, "lr": 0.1},
            {"name": "all", "epochs": 1, "lr": 0.1},
        ],
    }
