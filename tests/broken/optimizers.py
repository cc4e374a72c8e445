"""Optimizers."""

from dataclasses import dataclass

import torch

from broken.rules import Rules

RULES = Rules()


@RULES.broken("builds a list")
@dataclass(frozen=True)
class NoOptimizer:
    def build(self, groups):
        return groups


@RULES.broken("does not hold the parameters that it was given")
@dataclass(frozen=True)
class HalfOptimizer:
    def build(self, groups):
        return torch.optim.SGD(groups[:1], lr=0.1)


@RULES.broken("changes or drops ['lr'] of a group")
@dataclass(frozen=True)
class OwnRate:
    def build(self, groups):
        for group in groups:
            group["lr"] = 0.5
        return torch.optim.SGD(groups)


class Faulty(torch.optim.SGD):
    """SGD with momentum and one fault."""

    def __init__(self, groups, fault):
        super().__init__(groups, lr=0.1, momentum=0.9)
        self.fault = fault
        self.steps = 0

    def step(self, closure=None):  # noqa: C901 - a fault each
        self.steps += 1
        match self.fault:
            case "up":
                for group in self.param_groups:
                    for p in group["params"]:
                        p.grad = None if p.grad is None else -p.grad
            case "constant":
                for group in self.param_groups:
                    for p in group["params"]:
                        if p.grad is not None:
                            p.data -= 1e-3 * p.grad
            case "decay":
                for group in self.param_groups:
                    for p in group["params"]:
                        p.data *= 1 - 0.1 * group["lr"]
            case "counter":
                for group in self.param_groups:
                    for p in group["params"]:
                        p.data *= 1 - 0.01 * group["lr"] * (self.steps if p.grad is not None else 0)
            case "noise":
                for group in self.param_groups:
                    for p in group["params"]:
                        p.data += 1e-3 * group["lr"] * torch.randn_like(p) * (p.grad is not None)
            case "odd":
                for group in self.param_groups:
                    for p in group["params"]:
                        self.state[p]["window"] = {3}
        super().step(closure)


@dataclass(frozen=True)
class FaultyOptimizer:
    fault: str = ""

    def build(self, groups):
        return Faulty(groups, self.fault)


RULES.each(
    "optimizer",
    FaultyOptimizer,
    up="does not lower a loss of",
    constant="changes weights at a learning rate of 0",
    decay="changes weights that have no gradient",
    noise="gives different weights from the same gradients",
    counter="gives different weights when its state is stored and restored",
    odd="has a state that cannot be stored: optimizer/state/0.weight/window holds a set",
)
WHOLES = [FaultyOptimizer()]
