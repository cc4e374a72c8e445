"""Schedulers."""

import random
from dataclasses import dataclass, field

import torch

from broken.rules import Rules, again

RULES = Rules()


@RULES.broken("gives nan at epoch 0, update 0. The contract: a factor is a finite")
@dataclass(frozen=True)
class NotANumber:
    def factor(self, progress):
        return float("nan")


@RULES.broken("gives tensor(1.) at epoch 0")
@dataclass(frozen=True)
class TensorFactor:
    def factor(self, progress):
        return torch.tensor(1.0)


@RULES.broken("gives 0 throughout a phase of 1 × 1 updates")
@dataclass(frozen=True)
class Zero:
    def factor(self, progress):
        return progress.fraction


@RULES.broken("gives a different factor when it is called again")
@dataclass(frozen=True)
class Counting:
    def factor(self, progress):
        return 1 / again("Counting")


@RULES.broken("draws random numbers (random) in factor")
@dataclass(frozen=True)
class Dice:
    def factor(self, progress):
        return 1.0 if random.random() < 2 else 0.0


@RULES.broken("fails in factor at epoch 0, update 0: ZeroDivisionError")
@dataclass(frozen=True)
class Divider:
    def factor(self, progress):
        return 1 / progress.epoch


@RULES.broken("gives -1 at epoch 0, update 0. The contract: a factor is a finite")
@dataclass(frozen=True)
class Negative:
    def factor(self, progress):
        return -1


@RULES.broken("gives -0.01")
@dataclass(frozen=True)
class FallsBelow:
    def factor(self, progress):
        return round(1 - 0.01 * progress.update, 2)


@RULES.broken("changes its own options")
@dataclass(frozen=True)
class Writing:
    seen: list[int] = field(default_factory=list)

    def factor(self, progress):
        self.seen.append(progress.update)
        return 1.0
