"""Losses."""

from dataclasses import dataclass

import torch
from torch import nn

from broken.rules import Rules

RULES = Rules()


@RULES.broken("gives Tensor () for 6 images")
@dataclass(frozen=True)
class MeanLoss:
    def build(self, class_counts):
        return nn.CrossEntropyLoss()


def cross_entropy(logits, labels):
    return nn.functional.cross_entropy(
        logits, labels.to(logits.dtype) if labels.ndim > 1 else labels, reduction="none"
    )


@RULES.broken("fails in a call with class probabilities (B, K)")
@dataclass(frozen=True)
class HardLabels:
    def build(self, class_counts):
        return lambda x, y: -x.log_softmax(1).gather(1, y[:, None])[:, 0]


@RULES.broken("is not finite for logits up to")
@dataclass(frozen=True)
class Underflowing:
    def build(self, class_counts):
        def loss(x, y):
            shares = y if y.ndim > 1 else nn.functional.one_hot(y, x.shape[1])
            return -(x.softmax(1).log() * shares).sum(1)

        return loss


@RULES.broken("of an image changes with the others in its batch")
@dataclass(frozen=True)
class Relative:
    def build(self, class_counts):
        return lambda x, y: cross_entropy(x, y) / cross_entropy(x, y).sum()


@RULES.broken("detaches the logits: they have no gradient")
@dataclass(frozen=True)
class Detached:
    def build(self, class_counts):
        return lambda x, y: cross_entropy(x.detach(), y)


@RULES.broken("does not raise the logit of the right class")
@dataclass(frozen=True)
class Upside:
    def build(self, class_counts):
        return lambda x, y: -cross_entropy(x, y)


@RULES.broken("draws random numbers (torch) in the loss")
@dataclass(frozen=True)
class NoisyLoss:
    def build(self, class_counts):
        return lambda x, y: cross_entropy(x, y) + 0 * torch.rand(())


@RULES.broken("gives Tensor () for 1 images with labels (B,) of one image")
@dataclass(frozen=True)
class Squeezed:
    def build(self, class_counts):
        return lambda x, y: cross_entropy(x, y).squeeze()


@RULES.broken("changes what it is given, with labels (B,)")
@dataclass(frozen=True)
class InPlace:
    def build(self, class_counts):
        return lambda x, y: cross_entropy(x.clamp_(-5, 5), y)
