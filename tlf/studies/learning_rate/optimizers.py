"""Whether an optimizer uses its learning rate: some find their steps by themselves."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tlf.components import Optimizer
from tlf.errors import RecipeError
from tlf.plugins.attribution import blame
from tlf.recipe.plan import Plan
from tlf.recipe.schema import Phase
from tlf.training.segments.groups import build_optimizer

_STEPS = 3


def check_uses_rate(plan: Plan, phases: Sequence[Phase]) -> None:
    """Try the optimizer of each phase on a few numbers.

    Raises:
        RecipeError: one moves them alike at any learning rate.
        PluginError: one broke.
    """
    for phase in phases:
        optimizer = phase.optimizer or plan.recipe.optimizer
        offer = plan.plugins.catalogue.offer(optimizer)
        with blame(offer, "build"):
            low, high = (_moved(optimizer, rate) for rate in (1e-3, 1e-1))
        if torch.equal(low, high):
            problem = (
                f"optimizer: must use its learning rate, got {offer.kind!r} in the phase "
                f'{phase.name}, which moves weights alike at any rate; write optimizer = "adamw"'
            )
            raise RecipeError([problem], plan.source)


def _moved(optimizer: Optimizer, rate: float) -> Tensor:
    weight = nn.Parameter(torch.ones(2, 2))
    group = {"params": [weight], "names": ["weight"], "lr": rate, "base_lr": rate}
    built = build_optimizer(optimizer, [group])
    for _ in range(_STEPS):
        weight.grad = torch.ones(2, 2)
        built.step()
    return weight.detach()
