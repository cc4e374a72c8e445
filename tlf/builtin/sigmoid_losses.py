"""Losses of images with any number of labels: logits (B, K), and labels (B, K), each 0, 1 or, where
images are mixed, between them → losses of images (B,).

Every class is decided by itself, so the loss of an image is the sum of the losses of its K
decisions, as its negative log-likelihood is: the gradient of a logit does not depend on K.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from tlf.hookspecs import hookimpl
from tlf.runtime.ahead import sent
from tlf.tasks.class_counts import ClassCounts

if TYPE_CHECKING:
    from torch import Tensor

PosWeight = Literal["none", "balanced"]

MOST_WEIGHT = 100.0
"""The most that an image of a class weighs: else a few images of a very rare class decide where
training goes.
"""


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """Binary cross-entropy of every class, summed over the classes."""

    tasks: ClassVar = ("multi-label",)

    pos_weight: PosWeight = "none"
    """``balanced``: the images of a class weigh as much as those without it: each one weighs images
    without the class / images of the class, at most 100."""

    def build(self, class_counts: ClassCounts) -> "Callable[[Tensor, Tensor], Tensor]":
        """Build the function for these numbers of images per class."""
        return partial(_binary_cross_entropy, weights=_weights(class_counts, self.pos_weight))


@dataclass(frozen=True)
class SigmoidFocal:
    """Binary cross-entropy that gives less weight to decisions that are right already.

    Every term, ``-log(p)``, is multiplied by ``(1 - p) ** gamma``; p is the probability of what is
    right.

    Source: Lin et al. 2017, arXiv:1708.02002.
    """

    tasks: ClassVar = ("multi-label",)

    gamma: float = 2.0
    """How strongly easy decisions are weighted down; 0 gives binary cross-entropy."""
    pos_weight: PosWeight = "none"
    """``balanced``: as for ``binary-cross-entropy``."""

    def __post_init__(self) -> None:
        """Check the options."""
        _check_gamma("gamma", self.gamma)

    def build(self, class_counts: ClassCounts) -> "Callable[[Tensor, Tensor], Tensor]":
        """Build the function for these numbers of images per class."""
        weights = _weights(class_counts, self.pos_weight)
        return partial(
            _asymmetric, gamma_pos=self.gamma, gamma_neg=self.gamma, clip=0.0, weights=weights
        )


@dataclass(frozen=True)
class Asymmetric:
    """Binary cross-entropy that gives less weight to easy decisions, and above all to absent
    classes, which are most of them.

    The term of a class that is there is multiplied by ``(1 - p) ** gamma_pos``. Where it is absent,
    p is lowered by ``clip``, to 0 at least, and the term is multiplied by ``p ** gamma_neg``.

    Source: Ridnik et al. 2021, arXiv:2009.14119.
    """

    tasks: ClassVar = ("multi-label",)

    gamma_pos: float = 0.0
    """How strongly easy decisions about classes that are there are weighted down."""
    gamma_neg: float = 4.0
    """How strongly easy decisions about absent classes are weighted down."""
    clip: float = 0.05
    """Absent classes of a lower probability have no loss at all."""

    def __post_init__(self) -> None:
        """Check the options."""
        _check_gamma("gamma_pos", self.gamma_pos)
        _check_gamma("gamma_neg", self.gamma_neg)
        if not 0 <= self.clip < 1:
            raise ValueError(f"clip must be a probability from 0 to below 1, got {self.clip}")

    def build(self, class_counts: ClassCounts) -> "Callable[[Tensor, Tensor], Tensor]":
        """Build the function; it is the same for all numbers of images."""
        return partial(
            _asymmetric,
            gamma_pos=self.gamma_pos,
            gamma_neg=self.gamma_neg,
            clip=self.clip,
            weights=None,
        )


def _check_gamma(name: str, gamma: float) -> None:
    if not 0 <= gamma < math.inf:
        raise ValueError(f"{name} must be finite and 0 or more, got {gamma}")


def positive_weights(class_counts: ClassCounts) -> tuple[float, ...]:
    """The weight of an image of each class: images without it / images of it, at most 100; 1 for a
    class that no image has, or that all have: there is nothing to balance.

    >>> positive_weights(ClassCounts([20, 1, 80, 0, 100], images=100))
    (4.0, 99.0, 0.25, 1.0, 1.0)
    """
    images = class_counts.images
    return tuple(
        min(MOST_WEIGHT, (images - count) / count) if 0 < count < images else 1.0
        for count in class_counts
    )


def _weights(class_counts: ClassCounts, pos_weight: PosWeight) -> "Tensor | None":
    import torch

    return None if pos_weight == "none" else torch.tensor(positive_weights(class_counts))


def _binary_cross_entropy(
    logits: "Tensor", labels: "Tensor", *, weights: "Tensor | None"
) -> "Tensor":
    from torch.nn.functional import binary_cross_entropy_with_logits

    losses = binary_cross_entropy_with_logits(
        logits,
        labels.to(logits.dtype),
        reduction="none",
        pos_weight=None if weights is None else sent(weights, logits.device).to(logits.dtype),
    )
    return losses.sum(1)


def _asymmetric(
    logits: "Tensor",
    labels: "Tensor",
    *,
    gamma_pos: float,
    gamma_neg: float,
    clip: float,
    weights: "Tensor | None",
) -> "Tensor":
    import torch
    from torch.nn.functional import logsigmoid

    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    labels = labels.to(logits.dtype)
    tiny = torch.finfo(logits.dtype).eps  # at 0, the gradient of a power below 1 is infinite
    present, absent = logits.sigmoid(), (-logits).sigmoid()
    there = absent.clamp_min(tiny) ** gamma_pos * logsigmoid(logits)
    if weights is not None:
        there = there * sent(weights, logits.device).to(logits.dtype)
    # Without a clip, its logarithm stays finite where the probability of absence is 0.
    log_absent = (absent + clip).clamp(max=1).log() if clip else logsigmoid(-logits)
    gone = (present - clip).clamp_min(tiny) ** gamma_neg * log_absent
    return -(labels * there + (1 - labels) * gone).sum(1)


@hookimpl
def tlf_losses() -> dict[str, type]:
    """Offer the losses."""
    return {
        "binary-cross-entropy": BinaryCrossEntropy,
        "asymmetric": Asymmetric,
        "sigmoid-focal": SigmoidFocal,
    }
