"""The contract of a loss."""

from collections.abc import Callable

import torch
from torch import Tensor

from tlf.components import Loss
from tlf.runtime.seeds import seeded
from tlf.tasks import DEFAULT, TASKS, Task
from tlf.tasks.class_counts import ClassCounts
from tlf.testing.contract import check_options, first_task, no_random_numbers, raising_only, require
from tlf.testing.second_process import check_second_process

HOOK = "tlf_losses"
COUNTS = ClassCounts([5, 2, 9])
"""Numbers of images of each class."""


def check_loss(loss: Loss, task: str | None = None) -> None:
    """Check that a loss keeps its contract.

    Its options survive a recipe. The function that it builds takes logits (B, K) and labels, which
    are (B,), or (B, K) of the task ``multi-label``, or class probabilities (B, K), in any
    precision, and does not change them. It gives one finite number for each image, also for one
    image alone, which does not depend on the other images. Logits have a gradient, which raises the
    classes that the image has. The numbers are the same in every call and in a second process, and
    no random numbers are drawn.

    Parameters:
        loss: the component, with its options.
        task: what models are trained for with it: ``single-label`` or ``multi-label``; None: the
            first of its ``tasks``.

    Raises:
        AssertionError: it breaks the contract; names the problem and the rule.
    """
    recipe = check_options(loss, HOOK)
    with raising_only(loss, "build"):
        function = loss.build(COUNTS)
    of = TASKS[task or first_task(loss)]
    logits, labels = _batch(of)
    probabilities = of.targets(labels, len(COUNTS)).to(logits.dtype)
    mixed = probabilities * 0.7 + probabilities.flip(0) * 0.3
    form = "labels (B,)" if labels.ndim == 1 else "labels (B, K)"
    for name, targets in {form: labels, "class probabilities (B, K)": mixed}.items():
        _check_values(loss, function, logits, targets, name)
        _values(loss, function, logits[:1], targets[:1], f"{name} of one image")
        half = _values(loss, function, logits.to(torch.bfloat16), targets, name)
        finite = bool(torch.isfinite(half).all())
        require(
            finite, loss, f"is not finite on bfloat16 logits and {name}", "it is, in any precision"
        )
    _check_gradient(loss, function, labels, probabilities)
    check_second_process(loss, HOOK, recipe)


def describe(loss: Loss) -> str:
    """Its losses for one batch of class probabilities, which all tasks have."""
    logits, labels = _batch(TASKS[DEFAULT])
    probabilities = TASKS[DEFAULT].targets(labels, len(COUNTS)).to(logits.dtype)
    return str(loss.build(COUNTS)(logits, probabilities).tolist())


def _check_values(
    loss: Loss,
    function: Callable[[Tensor, Tensor], Tensor],
    logits: Tensor,
    targets: Tensor,
    name: str,
) -> None:
    with no_random_numbers(loss, "the loss"):
        values = _values(loss, function, logits, targets, name)
        again = _values(loss, function, logits, targets, name)
    require(
        bool(torch.isfinite(values).all()),
        loss,
        f"is not finite for logits up to {float(logits.max()):.0f} and {name}",
        "a loss of finite logits is finite",
    )
    require(
        torch.equal(values, again), loss, f"differs when called again, with {name}", "it is pure"
    )
    others = logits.clone()
    others[1:] = logits[1:].flip(1) + 1
    same = _values(loss, function, others, targets, name)[0]
    require(
        torch.allclose(same, values[0], rtol=1e-5),
        loss,
        f"of an image changes with the others in its batch, with {name}",
        "the loss of an image depends on that image alone: batches are split into shards",
    )


def _values(
    loss: Loss,
    function: Callable[[Tensor, Tensor], Tensor],
    logits: Tensor,
    targets: Tensor,
    name: str,
) -> Tensor:
    before = logits.detach().clone(), targets.clone()
    with raising_only(loss, f"a call with {name} and {logits.dtype} logits"):
        values = function(logits, targets)
    require(
        torch.equal(logits, before[0]) and torch.equal(targets, before[1]),
        loss,
        f"changes what it is given, with {name}",
        "a loss computes new tensors: the metrics are computed from the same logits",
    )
    shape = tuple(getattr(values, "shape", ()))
    require(
        isinstance(values, Tensor) and shape == (len(logits),) and values.is_floating_point(),
        loss,
        f"gives {type(values).__name__} {shape} for {len(logits)} images with {name}",
        "one loss for each image (B,): tlf takes the mean",
    )
    return values


def _check_gradient(
    loss: Loss, function: Callable[[Tensor, Tensor], Tensor], labels: Tensor, targets: Tensor
) -> None:
    watched = torch.zeros_like(targets).requires_grad_()
    values = _values(loss, function, watched, labels, "labels")
    require(
        values.requires_grad,
        loss,
        "detaches the logits: they have no gradient",
        "torch computes the loss from the logits, without detach or numpy",
    )
    (gradient,) = torch.autograd.grad(values.sum(), watched)
    require(
        bool((gradient[targets > 0] < 0).all()),
        loss,
        "does not raise the logit of the right class where all logits are equal",
        "a lower loss is a better classification",
    )


def _batch(task: Task) -> tuple[Tensor, Tensor]:
    with seeded(0, "loss"):
        logits = torch.randn(6, len(COUNTS))
    logits[4] *= 80  # as confident as trained networks are
    names = [str(k) for k in range(len(COUNTS))]
    labels = [task.label(str(k), names) for k in (0, 1, 2, 2, 1, 0)]
    return logits, task.labels(labels, len(COUNTS))
