"""The contract of an optimizer."""

import json
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tlf.components import Optimizer
from tlf.pretrained.weights import fingerprint
from tlf.runtime.seeds import seeded
from tlf.runtime.stored.packing import pack, unpack
from tlf.runtime.strict_json import dumps
from tlf.testing.contract import check_options, raising_only, require
from tlf.testing.second_process import check_second_process
from tlf.training.checkpoint.optimizer import optimizer_contents, restore_optimizer

HOOK = "tlf_optimizers"
STEPS = 6


def check_optimizer(optimizer: Optimizer) -> None:
    """Check that an optimizer keeps its contract.

    Its options survive a recipe. The optimizer that it builds holds the parameters in the groups
    that it was given, with tlf's own keys. It lowers a loss. It changes nothing where the learning
    rate is 0 or the gradient is None. It gives the same weights each time, in a second process, and
    after its state was stored by name, without pickle, and restored.

    Raises:
        AssertionError: it breaks the contract; names the problem and the rule.
    """
    recipe = check_options(optimizer, HOOK)
    _check_groups(optimizer)
    _check_it_trains(optimizer)
    _check_it_keeps_weights(optimizer)
    require(
        _trained(optimizer) == _trained(optimizer),
        optimizer,
        "gives different weights from the same gradients",
        "an update is a function of the weights, the gradients and the optimizer's state",
    )
    require(
        _trained(optimizer, _stored_and_restored) == _trained(optimizer),
        optimizer,
        "gives different weights when its state is stored and restored",
        "its whole state is in optimizer.state and its groups, as tensors and JSON",
    )
    check_second_process(optimizer, HOOK, recipe)


def describe(optimizer: Optimizer) -> str:
    """The weights after a few updates."""
    return _trained(optimizer)


def _check_groups(optimizer: Optimizer) -> None:
    model = _model()
    given = _groups(model)
    built = _built(optimizer, _groups(model))
    require(
        isinstance(built, torch.optim.Optimizer),
        optimizer,
        f"builds a {type(built).__name__}",
        "build gives a torch.optim.Optimizer, so that Accelerate can prepare it",
    )
    require(
        [[id(p) for p in group["params"]] for group in built.param_groups]
        == [[id(p) for p in group["params"]] for group in given],
        optimizer,
        "does not hold the parameters that it was given, in the groups that it was given",
        "build passes its groups on: a parameter that is left out never trains",
    )
    for before, group in zip(given, built.param_groups, strict=True):
        changed = [key for key in before if key != "params" and group.get(key) != before[key]]
        require(
            not changed,
            optimizer,
            f"changes or drops {changed[:1]} of a group",
            "a group keeps its lr, its weight_decay of 0 and tlf's own keys",
        )


def _check_it_trains(optimizer: Optimizer) -> None:
    model = _model()
    built = _built(optimizer, _groups(model))
    before = _loss(model).item()
    _steps(optimizer, model, built, 4 * STEPS)
    require(
        _loss(model).item() < before,
        optimizer,
        f"does not lower a loss of {before:.3g} in {4 * STEPS} updates",
        "a step descends along the gradient, at the lr of each group",
    )


def _check_it_keeps_weights(optimizer: Optimizer) -> None:
    model = _model()
    built = _built(optimizer, _groups(model))
    _steps(optimizer, model, built, 2)
    for group in built.param_groups:
        group["lr"] = 0.0
    before = fingerprint(model.state_dict())
    _steps(optimizer, model, built, 1)
    require(
        fingerprint(model.state_dict()) == before,
        optimizer,
        "changes weights at a learning rate of 0",
        "tlf writes lr × factor into every group before an update, and step reads it there",
    )
    for group in built.param_groups:
        group["lr"] = 0.1
    built.zero_grad(set_to_none=True)
    with raising_only(optimizer, "step without gradients"):
        built.step()
    require(
        fingerprint(model.state_dict()) == before,
        optimizer,
        "changes weights that have no gradient",
        "a parameter whose gradient is None does not change, by momentum or decay either",
    )


def _trained(
    optimizer: Optimizer,
    between: Callable[[Optimizer, nn.Module, torch.optim.Optimizer], torch.optim.Optimizer]
    | None = None,
) -> str:
    """The weights after a few updates, as a digest."""
    model = _model()
    built = _built(optimizer, _groups(model))
    _steps(optimizer, model, built, STEPS)
    if between:
        built = between(optimizer, model, built)
    _steps(optimizer, model, built, STEPS)
    return fingerprint(model.state_dict())


def _stored_and_restored(
    optimizer: Optimizer, model: nn.Module, built: torch.optim.Optimizer
) -> torch.optim.Optimizer:
    tensors: dict[str, Tensor] = {}
    try:
        text = dumps(pack(optimizer_contents(built), "optimizer", tensors))
    except TypeError as error:
        raise AssertionError(
            f"{optimizer!r} has a state that cannot be stored: {error}. The contract: its "
            "whole state is tensors and JSON, which safetensors can store; no pickle is written"
        ) from error
    kept = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    fresh = _built(optimizer, _groups(model))
    with raising_only(optimizer, "load_state_dict"):
        restore_optimizer(fresh, unpack(json.loads(text), kept), dict(model.named_parameters()))
    return fresh


def _built(optimizer: Optimizer, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    with raising_only(optimizer, "build"):
        return optimizer.build(groups)


def _steps(
    optimizer: Optimizer, model: nn.Module, built: torch.optim.Optimizer, count: int
) -> None:
    for _ in range(count):
        built.zero_grad(set_to_none=True)
        _loss(model).backward()  # type: ignore[no-untyped-call]
        with raising_only(optimizer, "step"):
            built.step()


def _loss(model: nn.Module) -> Tensor:
    with seeded(0, "data"):
        images, targets = torch.randn(8, 2, 5, 5), torch.randn(8, 4)
    return nn.functional.mse_loss(model(images), targets)


def _model() -> nn.Module:
    """A convolution, a norm and a linear layer: parameters of one to four dimensions."""
    with seeded(0, "model"):
        layers = [nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4, 4))


def _groups(model: nn.Module) -> list[dict[str, Any]]:
    """Groups as a segment makes them: by learning rate, norms and biases without decay."""
    found: list[dict[str, Any]] = []
    for lr, flat in ((0.01, False), (0.01, True)):
        names = [name for name, p in model.named_parameters() if (p.ndim < 2) == flat]
        params = [model.get_parameter(name) for name in names]
        group: dict[str, Any] = {"params": params, "names": names, "lr": lr, "base_lr": lr}
        found.append(group | ({"weight_decay": 0.0} if flat else {}))
    return found
