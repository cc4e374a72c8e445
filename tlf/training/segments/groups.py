"""Parameter groups: which parameters share a learning rate and decay, and their optimizer."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch

from tlf.components import Optimizer
from tlf.model import Classifier, normalisation_modules


def parameter_groups(
    classifier: Classifier, rates: Mapping[str, float], optimizer: Optimizer
) -> list[dict[str, Any]]:
    """One parameter group for each pair of learning rate and decaying or not, in the model's order.

    The scheduler changes a group's ``lr``; its ``base_lr`` stays.
    """
    spared = _spared_from_decay(classifier) if _spares(optimizer) else set()
    groups: dict[tuple[float, bool], dict[str, Any]] = {}
    for name, parameter in classifier.named_parameters():
        if name in rates:
            key = (rates[name], name in spared)
            settings = {"weight_decay": 0.0} if name in spared else {}
            group = groups.setdefault(
                key, {"params": [], "names": [], "lr": key[0], "base_lr": key[0], **settings}
            )
            group["params"].append(parameter)
            group["names"].append(name)
    return list(groups.values())


def build_optimizer(optimizer: Optimizer, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """Build an optimizer of these groups.

    Raises:
        ValueError: it is no optimizer, or has other groups.
    """
    held = [[id(parameter) for parameter in group["params"]] for group in groups]
    keys = [(group["names"], group["base_lr"]) for group in groups]
    built: object = optimizer.build(groups)
    if not isinstance(built, torch.optim.Optimizer):
        raise ValueError(f"build must return a torch.optim.Optimizer, got {type(built).__name__}")
    own = built.param_groups
    if [[id(p) for p in group["params"]] for group in own] != held or [
        (group.get("names"), group.get("base_lr")) for group in own
    ] != keys:
        raise ValueError("build must pass its groups on as they are, got other groups")
    return built


def carry_over(old: torch.optim.Optimizer, new: torch.optim.Optimizer) -> None:
    """Give an optimizer the state that another one has of the same parameters."""
    for group in new.param_groups:
        shared = {k: v for k, v in old.param_groups[0].items() if k not in _OWN_SETTINGS}
        # Some optimizers count their steps in a tensor in the group: each group needs its own.
        group.update(deepcopy(shared))
        new.state.update({p: old.state[p] for p in group["params"] if p in old.state})


_OWN_SETTINGS = {"params", "names", "lr", "base_lr", "weight_decay"}


def _spares(optimizer: Optimizer) -> bool:
    # Where nothing decays, fewer groups are fewer steps.
    decays = getattr(optimizer, "weight_decay", None) != 0
    return decays and getattr(optimizer, "decay", "weights") == "weights"


def _spared_from_decay(classifier: Classifier) -> set[str]:
    """Biases and norms: all parameters of fewer than two dimensions, and all of norm layers.

    Source: Goyal et al., 2017, arXiv:1706.02677, and He et al., 2018, arXiv:1812.01187.
    """
    flat = {name for name, p in classifier.named_parameters() if p.ndim < 2}
    norms = (
        f"{norm}.{key}"
        for norm, module in normalisation_modules(classifier).items()
        for key, _ in module.named_parameters()
    )
    return flat | set(norms)
