"""Losses: logits (B, K) and labels (B,) or class probabilities (B, K) → losses of images (B,)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from tlf.hookspecs import hookimpl
from tlf.runtime.ahead import sent

if TYPE_CHECKING:
    from torch import Tensor

ClassWeights = Literal["none", "balanced"]


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy, with optional label smoothing and class weights.

    The weight of an image's class multiplies its whole loss, the smoothed part included. Torch
    weights each class of the smoothed target instead: a rare class then weighs heavily in the loss
    of every image, and is predicted for all of them.

    Source: label smoothing, Szegedy et al. 2015, arXiv:1512.00567.
    """

    tasks: ClassVar = ("single-label",)

    label_smoothing: float = 0.0
    """Fraction of the probability that is spread evenly over all classes."""
    class_weights: ClassWeights = "none"
    """``balanced``: images of rare classes weigh more, so that all classes weigh the same.
    Weights average 1 over the train split. The mean divides by the number of images; torch's
    weighted mean divides by the sum of their weights, which differs from batch to batch."""

    def __post_init__(self) -> None:
        """Check the options."""
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(
                f"label_smoothing must be a fraction from 0 to below 1, got {self.label_smoothing}"
            )

    def build(self, class_counts: Sequence[int]) -> "Callable[[Tensor, Tensor], Tensor]":
        """Build the function for these numbers of images per class.

        Raises:
            ValueError: class weights are balanced, and a class has no images.
        """
        weights = _weights(class_counts, self.class_weights)
        return partial(_cross_entropy, label_smoothing=self.label_smoothing, weights=weights)


@dataclass(frozen=True)
class Focal:
    """Cross-entropy that gives less weight to images that are already classified well.

    Every term of the cross-entropy, ``-log(p)``, is multiplied by ``(1 - p) ** gamma``.

    Source: Lin et al. 2017, arXiv:1708.02002.
    """

    tasks: ClassVar = ("single-label",)

    gamma: float = 2.0
    """How strongly easy images are weighted down; 0 gives cross-entropy."""
    class_weights: ClassWeights = "none"
    """``balanced``: images of rare classes weigh more, as for ``cross-entropy``."""

    def __post_init__(self) -> None:
        """Check the options."""
        if not 0 <= self.gamma < math.inf:
            raise ValueError(f"gamma must be finite and 0 or more, got {self.gamma}")

    def build(self, class_counts: Sequence[int]) -> "Callable[[Tensor, Tensor], Tensor]":
        """Build the function for these numbers of images per class.

        Raises:
            ValueError: class weights are balanced, and a class has no images.
        """
        weights = _weights(class_counts, self.class_weights)
        return partial(_focal, gamma=self.gamma, weights=weights)


def balanced_weights(class_counts: Sequence[int]) -> tuple[float, ...]:
    """The weight of an image of each class: n / (K · images of the class).

    Raises:
        ValueError: a class has no images.

    >>> balanced_weights([1, 3])
    (2.0, 0.6666666666666666)
    """
    empty = [index for index, count in enumerate(class_counts) if not count]
    if empty:
        raise ValueError(
            f"class {empty[0]} (counted from 0) has no images in the train split, so no weight can "
            'balance it; write class_weights = "none", or remove the class'
        )
    total, classes = sum(class_counts), len(class_counts)
    return tuple(total / (classes * count) for count in class_counts)


def _weights(class_counts: Sequence[int], class_weights: ClassWeights) -> "Tensor | None":
    import torch

    if class_weights == "none":
        return None
    return torch.tensor(balanced_weights(class_counts))


def _cross_entropy(
    logits: "Tensor", labels: "Tensor", *, label_smoothing: float, weights: "Tensor | None"
) -> "Tensor":
    from torch.nn.functional import cross_entropy

    losses = cross_entropy(
        logits,
        labels.to(logits.dtype) if labels.is_floating_point() else labels,
        label_smoothing=label_smoothing,
        reduction="none",
    )
    return losses if weights is None else losses * _weights_of(labels, weights, losses)


def _weights_of(labels: "Tensor", weights: "Tensor", like: "Tensor") -> "Tensor":
    """The weight of each image: its class's; of mixed labels, the classes' weights mixed alike."""
    weights = sent(weights, like.device).to(like.dtype)
    return labels.to(like.dtype) @ weights if labels.is_floating_point() else weights[labels]


def _focal(
    logits: "Tensor", labels: "Tensor", *, gamma: float, weights: "Tensor | None"
) -> "Tensor":
    import torch
    from torch.nn.functional import log_softmax, nll_loss

    log_p = log_softmax(logits, dim=1)
    # 1 - p, exact near p = 1. It is never 0, where the gradient of a power below 1 is infinite.
    missing = (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).eps)
    terms = missing**gamma * log_p
    losses = (
        -(labels * terms).sum(dim=1)
        if labels.is_floating_point()
        else nll_loss(terms, labels, reduction="none")
    )
    return losses if weights is None else losses * _weights_of(labels, weights, losses)


@hookimpl
def tlf_losses() -> dict[str, type]:
    """Offer the losses."""
    return {"cross-entropy": CrossEntropy, "focal": Focal}
