"""Backbones."""

import time
from dataclasses import dataclass, replace

import torch
from torch import nn

from broken.rules import Rules
from tlf.components import BuiltBackbone
from tlf.preprocessing import Preprocessing

RULES = Rules()


class Network(nn.Module):
    """Three convolutions, with one fault."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault
        self.low = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.mid = nn.Sequential(Middle(fault), nn.Conv2d(4, 4, 3))
        self.top = nn.Conv2d(4, 8, 3)
        if fault == "unused":
            self.mid.append(nn.ModuleList([nn.Conv2d(1, 1, 1)])[0])
            self.mid[2].forward = lambda x: x
        if fault == "fc":
            self.fc = nn.Linear(8, 8)
        if fault == "numpy":
            self.low[0].bias.data.fill_(time.time_ns() % 1000)

    def forward(self, x):
        maps = self.top(self.mid(self.low(x)))
        if self.fault == "maps":
            return maps
        if self.fault == "flat":
            return maps.flatten(1)[:, :8] if len(maps) > 1 else maps.mean((2, 3))[0]
        if self.fault == "top":
            maps = maps - maps.mean(0)
        features = maps.mean((2, 3))
        return self.fc(features) if self.fault == "fc" else features


class Tokens(Network):
    def forward_features(self, x):
        return self.mid(self.low(x))


class Middle(nn.Module):
    """A layer with a fault inside a stage."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault
        self.weight = nn.Parameter(torch.ones(4, 1, 1))
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, x):
        match self.fault:
            case "batch":
                x = x - x.mean(0)
            case "write":
                self.mean += 1
            case "chance":
                x = x + 0.1 * torch.randn(())
        return x * self.weight


@dataclass(frozen=True)
class WrongBackbone:
    fault: str = ""

    def build(self):
        module = (Tokens if self.fault == "tokens" else Network)(self.fault)
        names = [name for name, _ in module.named_parameters()]
        parts = {"stem": "low", "mid": "mid", "top": "top"}
        if self.fault == "swapped":
            parts = {"stem": "low", "top": "top", "mid": "mid"}
        if self.fault == "reserved":
            parts = {"stem": "low", "mid": "mid", "head": "top"}
        if self.fault == "stemless":
            parts = {"low": "low", "mid": "mid", "top": "top"}
        if self.fault == "left":
            parts.pop("mid")
        stages = {
            stage: tuple(n for n in names if n.split(".")[0] in (part, stage == "top" and "fc"))
            for stage, part in parts.items()
        }  # fmt: skip
        if self.fault == "module":
            return module
        wide = 9 if self.fault == "wide" else 8
        return BuiltBackbone(module, wide, stages, Preprocessing(size=12, resize=14), "fc")


RULES.each(
    "backbone",
    WrongBackbone,
    module="builds a Network. The contract: build gives a BuiltBackbone",
    wide="gives (3, 8) for 3 images. The contract: features are (B, F), and num_features is",
    maps="gives (3, 8, 6, 6) for 3 images",
    flat="gives (8,) for 1 images",
    tokens="gives (3, 4, 8, 8) from forward_features",
    numpy="starts with other weights under the same seed",
    unused="has a parameter mid.2.weight that no gradient reaches",
    fc="still holds parameters under fc, the name of its classifier",
    swapped="lists its stages as ['stem', 'top', 'mid'], and images pass them as ",
    reserved="calls its stages ['stem', 'mid', 'head']",
    stemless="calls its stages ['low', 'mid', 'top']",
    left="gives wrong stages: every parameter of a backbone must be in exactly one stage",
    top="gives different features for an image when the others in its batch change in evaluation",
    batch="gives different features for an image when the others in its batch change in evaluation",
    write="writes to mid.0.mean in evaluation mode",
    chance="draws random numbers (torch) in the forward pass in evaluation mode",
)


class Leaking(nn.Module):
    """Keeps the contract in evaluation mode; while the top trains, its frozen stem does not."""

    def __init__(self, fault):
        super().__init__()
        self.low, self.top = Low(fault), nn.Conv2d(4, 8, 3)

    def forward(self, x):
        return self.top(self.low(x, self.training)).mean((2, 3))


class Low(nn.Module):
    def __init__(self, fault):
        super().__init__()
        self.fault = fault
        self.conv = nn.Conv2d(3, 4, 3)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x, trainable):
        x = self.conv(x)
        match self.fault if trainable else None:
            case "write":
                self.seen += 1
            case "chance":
                x = x + torch.randn(())
            case "batch":
                x = x - x.mean(0)
        return x


@dataclass(frozen=True)
class LeakingBackbone:
    fault: str = ""

    def build(self):
        module = Leaking(self.fault)
        stages = {"stem": ("low.conv.weight", "low.conv.bias"), "top": ("top.weight", "top.bias")}
        return BuiltBackbone(module, 8, stages, Preprocessing(size=12, resize=14), "fc")


RULES.each(
    "leaking",
    LeakingBackbone,
    write="writes to ['backbone.low.seen'] with the stages up to stem frozen",
    chance="gives a different output of backbone.low for the same images with the stages up to",
    batch="lets the other images of a batch change an image's output of backbone.low with",
)
WHOLES = [WrongBackbone(), LeakingBackbone()]


@dataclass(frozen=True)
class OneStage:
    """Keeps the contract, but all its layers are in one stage."""

    def build(self):
        module = Network("")
        stages = {"stem": tuple(name for name, _ in module.named_parameters())}
        return BuiltBackbone(module, 8, stages, Preprocessing(size=12, resize=14), "fc")


@dataclass(frozen=True)
class Loaded:
    """A trained run of it cannot be loaded, because of one fault."""

    weights: str = "own"
    fault: str = ""

    def build(self):
        return self._network(8, {"middle": {self} if self.fault == "config" else 8})

    def rebuild(self, config):
        width = 4 if self.fault == "width" else config["middle"]
        built = self._network(width, config)
        if self.fault == "module":
            return built.module
        if self.fault == "scale":
            built.module.scale = 2.0
        if self.fault == "stages":
            return replace(built, stages={"stem": (*built.stages["stem"], *built.stages["top"])})
        return built

    def _network(self, middle, config):
        module = Scaled(middle)
        stages = {part: (f"{part}.weight", f"{part}.bias") for part in ("stem", "top")}
        return BuiltBackbone(module, 8, stages, Preprocessing(size=12, resize=14), "fc", config)


class Scaled(nn.Module):
    def __init__(self, middle):
        super().__init__()
        self.stem, self.top, self.scale = nn.Conv2d(3, middle, 3), nn.Conv2d(middle, 8, 3), 1.0

    def forward(self, x):
        return self.top(self.stem(x)).mean((2, 3)) * self.scale


RULES.each(
    "loaded",
    lambda fault: Loaded(fault=fault),
    config="has a config that cannot be stored: ",
    width="does not take its own state when it is built again: ",
    module="gives a Scaled when it is built again",
    scale="gives other features when its state is loaded into another build",
    stages="has stages = {'stem': ('stem.weight', 'stem.bias', 'top.weight', 'top.bias')} when",
)
WHOLES.append(Loaded())
