"""Heads."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from broken.rules import Rules, again

RULES = Rules()


@RULES.broken("builds a int")
@dataclass(frozen=True)
class NoModule:
    def build(self, num_features, num_classes):
        return num_classes


@RULES.broken("gives torch.float32 (4, 3) for features (B, F) with B = 4. The contract: logits are")
@dataclass(frozen=True)
class ThreeClasses:
    def build(self, num_features, num_classes):
        return nn.Linear(num_features, 3)


@RULES.broken("starts with other weights under the same seed")
@dataclass(frozen=True)
class NumpyStart:
    def build(self, num_features, num_classes):
        layer = nn.Linear(num_features, num_classes)
        layer.weight.data = torch.rand(
            layer.weight.shape, generator=torch.Generator().manual_seed(time.time_ns())
        )
        return layer


@RULES.broken("draws from ['numpy'] in build")
@dataclass(frozen=True)
class NumpyDraw:
    def build(self, num_features, num_classes):
        np.random.rand()
        return nn.Linear(num_features, num_classes)


class Wrong(nn.Module):
    """A linear layer with one fault."""

    def __init__(self, fault, num_features, num_classes):
        super().__init__()
        self.fault = fault
        self.linear = nn.Linear(num_features, num_classes)
        self.register_buffer("seen", torch.zeros(()))
        if fault == "unused":
            self.spare = nn.Linear(2, 2)
        if fault == "tied":
            self.register_buffer("twin", self.linear.weight.data)
        if fault == "hidden":
            self.secret = torch.randn(num_classes)

    def forward(self, x):  # noqa: C901 - a fault each
        match self.fault:
            case "noise":
                return self.linear(x + 0.01 * torch.randn_like(x))
            case "clock":
                return self.linear(x) + again("clock")
            case "batch":
                return self.linear(x - x.mean(0))
            case "write":
                self.seen += 1
            case "cut":
                return self.linear(x).detach()
            case "deaf":
                return self.linear(x.detach())
            case "hidden":
                return self.linear(x) + self.secret
            case "one":
                return self.linear(x.squeeze(0))
        return self.linear(x)


@dataclass(frozen=True)
class WrongHead:
    fault: str = ""

    def build(self, num_features, num_classes):
        return Wrong(self.fault, num_features, num_classes)


RULES.each(
    "head",
    WrongHead,
    noise="draws random numbers (torch) in the forward pass in evaluation mode, on features (B, F)",
    clock="gives different logits for the same images in evaluation mode",
    batch="gives different logits for an image when the others in its batch change",
    write="writes to seen in evaluation mode, on features (B, F)",
    cut="detaches its output while training",
    deaf="passes no gradient to features (B, F)",
    unused="has a parameter spare.weight that no gradient reaches",
    tied="holds one tensor under two names, twin and linear.weight",
    hidden="gives other logits when its state is loaded into another build",
    one="for features (B, F) with B = 1",
)
WHOLES = [WrongHead()]
