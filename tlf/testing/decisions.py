"""The contracts of the hooks that decide: a training step, and the choice of the best epoch."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from tlf.freezing.freeze import digests, freeze
from tlf.model import Classifier
from tlf.plugins.validation import result_fault
from tlf.results import EpochResult
from tlf.runtime.seeds import seeded
from tlf.testing.contract import no_random_numbers, raising_only, require
from tlf.testing.models import CLASSES, results, tiny_classifier
from tlf.testing.tiny_run import SIDE

STEP, BEST = "tlf_training_step", "tlf_select_best"


def check_training_step(step: Callable[..., Tensor | None]) -> None:
    """Check that a training step keeps its contract.

    It is tried with everything trained and with the backbone frozen, on batches of several sizes,
    with labels and with class probabilities. It gives None, or a finite loss (a single number)
    whose gradient reaches a weight that trains. It gives the same loss under the same seed, and
    draws from torch's default generator only. It leaves images, labels, weights, gradients, modes
    and ``requires_grad`` as they are.

    Parameters:
        step: the function, or the method of an extension.

    Raises:
        AssertionError: it breaks the contract; names the problem and the rule.
    """
    model = tiny_classifier()
    for frozen in ((), model.backbone_names):
        freeze(model, frozenset(frozen))
        for count in (6, 2, 1):
            with seeded(count, "images"):
                images, labels = torch.randn(count, 3, SIDE, SIDE), torch.arange(count) % CLASSES
            # BatchNorm cannot train on one image; the engine puts it at rest there.
            model.train(count > 1)
            for targets in (labels, torch.eye(CLASSES)[labels]):
                _check_step(step, model, images, targets)


def check_select_best(choose: Callable[..., int | None]) -> None:
    """Check that a choice of the best epoch keeps its contract.

    For a phase of any length it gives None, or the index of an epoch; the same when it is asked
    again. It draws no random numbers, and leaves the results as they are.

    Parameters:
        choose: the function, or the method of an extension.

    Raises:
        AssertionError: it breaks the contract; names the problem and the rule.
    """
    every = results(6, ("stem", "top"))
    before = deepcopy(every)
    for count in range(1, len(every) + 1):
        history = every[:count]
        with no_random_numbers(choose, BEST):
            first, second = (_chosen(choose, history) for _ in range(2))
        require(
            first == second,
            choose,
            f"chooses epoch {first}, then {second} of the same {count}",
            "every process asks, also after a stop: the same results give the same epoch",
        )
    require(every == before, choose, "changes the results", "they are read, and not changed")


def _chosen(choose: Callable[..., int | None], history: Sequence[EpochResult]) -> int | None:
    with raising_only(choose, BEST):
        chosen = choose(**wanted(choose, history=history))
    fault = result_fault(BEST, chosen, {"history": history})
    require(fault is None, choose, f"fails: {fault}", "it gives the index of an epoch, or None")
    return chosen


def _check_step(
    step: Callable[..., Tensor | None], model: Classifier, images: Tensor, targets: Tensor
) -> None:
    """Check a step on one batch."""
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter) if parameter.requires_grad else None
    before = _described(model, images, targets)
    statistics = deepcopy(dict(model.named_buffers()))
    first = _taken(step, model, images, targets)
    after = _described(model, images, targets)
    changed = next((name for name, value in before.items() if after[name] != value), None)
    require(
        changed is None,
        step,
        f"changes {changed}",
        "it computes a loss; the engine goes back, and the optimizer changes weights",
    )
    for name, buffer in model.named_buffers():
        buffer.copy_(statistics[name])
    loss = _taken(step, model, images, targets)
    one, other = (None if taken is None else taken.item() for taken in (first, loss))
    require(
        one == other,
        step,
        f"gives {one}, then {other} under one seed",
        "random numbers come from torch's default generator, which tlf seeds before each update",
    )
    if loss is None:
        return
    trains = {name: p for name, p in model.named_parameters() if p.requires_grad}
    found = torch.autograd.grad(loss, [*trains.values()], allow_unused=True)
    require(
        any(g is not None and bool(g.isfinite().all()) and bool(g.any()) for g in found),
        step,
        f"gives a loss without a gradient for {', '.join(trains)}",
        "the loss depends on the weights that train, through the model it was given",
    )


def _taken(
    step: Callable[..., Tensor | None], model: Classifier, images: Tensor, targets: Tensor
) -> Tensor | None:
    what = f"{STEP} with {len(images)} images and targets {tuple(targets.shape)}"
    with (
        no_random_numbers(step, STEP, but_torch=True),
        seeded(0, "step"),
        raising_only(step, what),
    ):
        arguments = {"model": model, "images": images, "labels": targets, "loss": _loss}
        loss = step(**wanted(step, **arguments))
    fault = result_fault(STEP, loss, {})
    rule = "it gives a single finite number with a graph, for batches of any size, or None"
    require(fault is None, step, f"fails: {fault}", rule)
    finite = loss is None or bool(loss.isfinite())
    require(finite, step, f"gives {loss} for {len(images)} images", rule)
    return loss


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits, labels, reduction="none")


def wanted(function: Callable[..., Any], **arguments: object) -> Mapping[str, object]:
    """Those of the arguments that a hook lists: it may leave any out."""
    listed = inspect.signature(function).parameters
    return {name: value for name, value in arguments.items() if name in listed}


def _described(model: Classifier, images: Tensor, targets: Tensor) -> dict[str, object]:
    """What a step must leave as it is: its name → its value."""
    parameters, digest_of = dict(model.named_parameters()), digests(model)
    weights = {f"the weight {name}": digest_of[name] for name in parameters}
    of_parameters: dict[str, object] = {}
    for name, parameter in parameters.items():
        of_parameters[f"requires_grad of {name}"] = parameter.requires_grad
        gradient = parameter.grad
        of_parameters[f"the gradient of {name}"] = None if gradient is None else gradient.tolist()
    modes = {f"the mode of {name or 'the model'}": m.training for name, m in model.named_modules()}
    given = {"the images": images.tolist(), "the labels": targets.tolist()}
    return {**given, **weights, **of_parameters, **modes}
