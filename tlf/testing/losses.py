"""What a run relies on in a loss."""

from collections.abc import Callable

import torch
from torch import Tensor

from tlf.components import Loss
from tlf.runtime.seeds import seeded
from tlf.tasks import DEFAULT, TASKS
from tlf.testing.contract import allowed, check_options, drawing_nothing, hold
from tlf.testing.second_process import check_second_process

HOOK = "tlf_losses"
COUNTS = (5, 2, 9)
"""Images of each class."""


def check_loss(loss: Loss) -> None:
    """Check that a loss keeps its contract.

    Its options survive a recipe. What it builds takes logits (B, K) and labels (B,) or class
    probabilities (B, K), in any precision, and gives one finite number for each image that does
    not depend on the others; a gradient reaches the logits and points to the right class; it gives
    the same again and in a second process, and draws no random numbers.

    Raises:
        AssertionError: it does not; says what is wrong and what the contract is.
    """
    check_options(loss, HOOK)
    with allowed(loss, "build"):
        function = loss.build(COUNTS)
    logits, labels = _batch()
    shares = TASKS[DEFAULT].targets(labels, len(COUNTS)).to(logits.dtype)
    mixed = shares * 0.7 + shares.flip(0) * 0.3
    for name, targets in {"labels (B,)": labels, "class probabilities (B, K)": mixed}.items():
        _check_values(loss, function, logits, targets, name)
        half = _values(loss, function, logits.to(torch.bfloat16), targets, name)
        finite = bool(torch.isfinite(half).all())
        hold(finite, loss, f"is not finite on bfloat16 logits and {name}", "any precision will do")
    _check_gradient(loss, function, logits, labels)
    check_second_process(loss, HOOK)


def told(loss: Loss) -> str:
    """Its losses for one batch."""
    return str(loss.build(COUNTS)(*_batch()).tolist())


def _check_values(
    loss: Loss,
    function: Callable[[Tensor, Tensor], Tensor],
    logits: Tensor,
    targets: Tensor,
    name: str,
) -> None:
    with drawing_nothing(loss, "the loss"):
        values = _values(loss, function, logits, targets, name)
        again = _values(loss, function, logits, targets, name)
    hold(
        bool(torch.isfinite(values).all()),
        loss,
        f"is not finite for logits up to {float(logits.max()):.0f} and {name}",
        "a loss of finite logits is finite",
    )
    hold(torch.equal(values, again), loss, f"differs when asked again, with {name}", "it is pure")
    others = logits.clone()
    others[1:] = logits[1:].flip(1) + 1
    alone = _values(loss, function, others, targets, name)[0]
    hold(
        torch.allclose(alone, values[0], rtol=1e-5),
        loss,
        f"of an image changes with the others in its batch, with {name}",
        "one loss for each image (B,), its own: batches are dealt to processes and to pieces",
    )


def _values(
    loss: Loss,
    function: Callable[[Tensor, Tensor], Tensor],
    logits: Tensor,
    targets: Tensor,
    name: str,
) -> Tensor:
    with allowed(loss, f"a call with {name} and {logits.dtype} logits"):
        values = function(logits, targets)
    shape = tuple(getattr(values, "shape", ()))
    hold(
        isinstance(values, Tensor) and shape == (len(logits),),
        loss,
        f"gives {type(values).__name__} {shape} for {len(logits)} images with {name}",
        "one loss for each image (B,): the engine takes the mean",
    )
    return values


def _check_gradient(
    loss: Loss, function: Callable[[Tensor, Tensor], Tensor], logits: Tensor, labels: Tensor
) -> None:
    watched = torch.zeros_like(logits).requires_grad_()
    values = _values(loss, function, watched, labels, "labels (B,)")
    hold(
        values.requires_grad,
        loss,
        "cuts the graph: no gradient reaches the logits",
        "the loss is computed by torch from the logits, without detach or numpy",
    )
    (gradient,) = torch.autograd.grad(values.sum(), watched)
    right = gradient.gather(1, labels[:, None])
    hold(
        bool((right < 0).all()),
        loss,
        "does not ask for a higher logit of the right class where all logits are equal",
        "a lower loss is a better classification",
    )


def _batch() -> tuple[Tensor, Tensor]:
    with seeded(0, "loss"):
        logits = torch.randn(6, len(COUNTS))
    logits[4] *= 80  # as sure as trained networks are
    return logits, torch.tensor([0, 1, 2, 2, 1, 0])
