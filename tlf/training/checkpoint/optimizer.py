"""The state of an optimizer by parameter name: storing and restoring it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def optimizer_contents(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The state dict of an optimizer, with parameter names instead of positions."""
    names = [name for group in optimizer.param_groups for name in group["names"]]
    whole = optimizer.state_dict()
    return {**whole, "state": {names[index]: values for index, values in whole["state"].items()}}


def restore_optimizer(
    optimizer: torch.optim.Optimizer, stored: Mapping[str, Any], parameters: Mapping[str, Tensor]
) -> None:
    """Load stored contents into an optimizer of the same parameters.

    Their groups may differ: the recipe's learning rates may have changed.

    Parameters:
        optimizer: the optimizer.
        stored: what ``optimizer_contents`` returned.
        parameters: name → parameter.
    """
    names = [name for group in optimizer.param_groups for name in group["names"]]
    by_index = {
        names.index(name): {key: laid_out(value, parameters[name]) for key, value in values.items()}
        for name, values in stored["state"].items()
    }
    of_name = {name: group for group in stored["param_groups"] for name in group["names"]}
    groups = [
        {**of_name[group["names"][0]], **{k: group[k] for k in _OF_THE_RECIPE if k in group}}
        for group in optimizer.state_dict()["param_groups"]
    ]
    optimizer.load_state_dict({**stored, "state": by_index, "param_groups": groups})


_OF_THE_RECIPE = ("params", "names", "base_lr")
"""What the recipe decides in a group. All else may be the optimizer's own, such as a count."""


def laid_out(value: Any, like: Tensor) -> Any:  # noqa: ANN401 - state is not only tensors
    """The same values in the memory layout of ``like``.

    Another layout would use other kernels, which round differently.
    """
    if not isinstance(value, Tensor) or value.shape != like.shape:
        return value
    return torch.empty_like(like, dtype=value.dtype, device=value.device).copy_(value)
