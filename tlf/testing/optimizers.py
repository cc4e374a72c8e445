"""What a run relies on in an optimizer."""

import json
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tlf.components import Optimizer
from tlf.pretrained.weights import fingerprint
from tlf.runtime.seeds import seeded
from tlf.testing.contract import allowed, check_options, hold
from tlf.testing.second_process import check_second_process
from tlf.training.checkpoint.optimizer import optimizer_contents, restore_optimizer
from tlf.training.checkpoint.packing import pack, unpack

HOOK = "tlf_optimizers"
STEPS = 6


def check_optimizer(optimizer: Optimizer) -> None:
    """Check that an optimizer keeps its contract.

    Its options survive a recipe. What it builds holds the parameters that it was given in the same
    groups, with what the engine wrote into them; brings a loss down; moves nothing where the
    learning rate is 0 or the gradient is None; comes to the same numbers again, in a second
    process, and after its state was stored by name, without pickle, and restored.

    Raises:
        AssertionError: it does not; says what is wrong and what the contract is.
    """
    check_options(optimizer, HOOK)
    _check_groups(optimizer)
    _check_it_learns(optimizer)
    _check_rest(optimizer)
    hold(
        _trained(optimizer) == _trained(optimizer),
        optimizer,
        "comes to other weights from the same gradients",
        "an update is a function of the weights, the gradients and the optimizer's state",
    )
    hold(
        _trained(optimizer, _stored_and_restored) == _trained(optimizer),
        optimizer,
        "comes to other weights if its state is stored and restored on the way",
        "all that it knows stands in optimizer.state and its groups, as tensors and JSON",
    )
    check_second_process(optimizer, HOOK)


def told(optimizer: Optimizer) -> str:
    """The weights that it comes to."""
    return _trained(optimizer)


def _check_groups(optimizer: Optimizer) -> None:
    model = _model()
    given = _groups(model)
    built = _built(optimizer, _groups(model))
    hold(
        isinstance(built, torch.optim.Optimizer),
        optimizer,
        f"builds a {type(built).__name__}",
        "build gives a torch.optim.Optimizer, so that Accelerate can prepare it",
    )
    hold(
        [[id(p) for p in group["params"]] for group in built.param_groups]
        == [[id(p) for p in group["params"]] for group in given],
        optimizer,
        "does not hold the parameters that it was given, in the groups that it was given",
        "build passes its groups on: a parameter that is left out never trains",
    )
    for asked, group in zip(given, built.param_groups, strict=True):
        changed = [key for key in asked if key != "params" and group.get(key) != asked[key]]
        hold(
            not changed,
            optimizer,
            f"changes or drops {changed[:1]} of a group",
            "a group keeps its lr, its weight_decay of 0 and the engine's own keys",
        )


def _check_it_learns(optimizer: Optimizer) -> None:
    model = _model()
    built = _built(optimizer, _groups(model))
    before = _loss(model).item()
    _steps(optimizer, model, built, 4 * STEPS)
    hold(
        _loss(model).item() < before,
        optimizer,
        f"does not bring a loss of {before:.3g} down in {4 * STEPS} updates",
        "a step follows the gradient downwards, at the lr of each group",
    )


def _check_rest(optimizer: Optimizer) -> None:
    model = _model()
    built = _built(optimizer, _groups(model))
    _steps(optimizer, model, built, 2)
    for group in built.param_groups:
        group["lr"] = 0.0
    before = fingerprint(model.state_dict())
    _steps(optimizer, model, built, 1)
    hold(
        fingerprint(model.state_dict()) == before,
        optimizer,
        "moves weights at a learning rate of 0",
        "the engine writes lr × factor into every group before an update, and build reads it there",
    )
    for group in built.param_groups:
        group["lr"] = 0.1
    built.zero_grad(set_to_none=True)
    with allowed(optimizer, "step without gradients"):
        built.step()
    hold(
        fingerprint(model.state_dict()) == before,
        optimizer,
        "moves weights that have no gradient",
        "a parameter whose gradient is None stands still, whatever momentum and decay say",
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
        text = json.dumps(pack(optimizer_contents(built), "optimizer", tensors))
    except TypeError as error:
        raise AssertionError(
            f"{optimizer!r} has a state that cannot be stored: {error}. The contract: all that it "
            "knows is tensors and JSON, which safetensors can hold; no pickle is written"
        ) from error
    kept = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    fresh = _built(optimizer, _groups(model))
    with allowed(optimizer, "load_state_dict"):
        restore_optimizer(fresh, unpack(json.loads(text), kept), dict(model.named_parameters()))
    return fresh


def _built(optimizer: Optimizer, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    with allowed(optimizer, "build"):
        return optimizer.build(groups)


def _steps(
    optimizer: Optimizer, model: nn.Module, built: torch.optim.Optimizer, count: int
) -> None:
    for _ in range(count):
        built.zero_grad(set_to_none=True)
        _loss(model).backward()  # type: ignore[no-untyped-call]
        with allowed(optimizer, "step"):
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
