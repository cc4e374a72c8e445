"""A plugin of small backbones and of a dataset with many classes, which tests of the simulator
install.
"""

SOURCE = '''
from dataclasses import dataclass
from io import BytesIO

import torch
from PIL import Image
from torch import nn

from tlf.components import BuiltBackbone, Split, Splits
from tlf.hookspecs import hookimpl
from tlf.preprocessing import Preprocessing


class Network(nn.Module):
    """Convolutions, one for each stage, and BatchNorm behind the first one."""

    def __init__(self, widths):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(n, m, 3, padding=1) for n, m in zip(widths, widths[1:])
        )
        self.norm = nn.BatchNorm2d(widths[1])

    def forward(self, x):
        for number, conv in enumerate(self.convs):
            x = conv(x).relu()
            x = self.norm(x) if number == 0 else x
        return x.mean((2, 3))


def built(network, channels):
    stages = {f"convs.{n}": (f"convs.{n}.weight", f"convs.{n}.bias")
              for n in range(1, len(network.convs))}
    stem = ("convs.0.weight", "convs.0.bias", "norm.weight", "norm.bias")
    about = Preprocessing(size=8, resize=10, mean=(0.5,) * channels, std=(0.25,) * channels)
    return BuiltBackbone(network, network.norm.num_features if len(network.convs) == 1
                         else network.convs[-1].out_channels, {"stem": stem, **stages}, about, "fc")


@dataclass(frozen=True)
class Chain:
    """A backbone of so many stages, which has no weights to leave out."""

    stages: int = 2
    channels: int = 3

    def build(self):
        return built(Network([self.channels, 4, *[8] * (self.stages - 1)]), self.channels)


@dataclass(frozen=True)
class Stored:
    """A backbone whose weights are always those of a file."""

    weights: str

    def build(self):
        if self.weights == "none":
            raise ValueError("weights must be a file, got none")
        return built(Network([3, 4, 8]), 3)


@dataclass(frozen=True)
class Many:
    """A dataset of many classes, with one image of each in both splits."""

    classes: int = 1000

    def build(self):
        names = tuple(f"a class with a long name, {k}" for k in range(self.classes))
        split = Split(tuple(f"{k}.png" for k in range(self.classes)), range(self.classes), read)
        return Splits(split, split, names)


def read(index):
    Image.new("RGB", (12, 12), (index % 256, 0, 0)).save(file := BytesIO(), "PNG")
    return file.getvalue()


@hookimpl
def tlf_backbones():
    return {"chain": Chain, "stored": Stored}


@hookimpl
def tlf_datasets():
    return {"many": Many}
'''
