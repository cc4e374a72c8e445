"""The temperature: one number that logits are divided by, so that probabilities are as high as the
rate of right predictions (Guo et al., 2017).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tlf.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tlf.metrics.predicted import Predicted

LEAST, MOST = 0.05, 20.0
"""Limits of the temperature. Where logits say nothing of the labels, NLL falls for ever as the
temperature rises.
"""
_PRECISION = 1e-6
"""The relative error of the temperature."""
_PART = 2**20
"""Logits that are computed with at a time."""


def fit_temperature(logits: "NDArray[np.floating]", labels: "NDArray[np.integer]") -> float:
    """The temperature from 0.05 to 20 at which NLL is least. ``logits``: (N, K).

    It is 1 where NLL has no least value: every image is classified correctly, so that NLL falls for
    ever as the temperature falls; or there is no image, or logits are equal for all classes.

    Raises:
        DataError: a logit is not finite.
    """
    parts = _Parts(np.asarray(logits), np.asarray(labels))
    if not all(np.isfinite(part).all() for part in parts.logits):
        raise DataError("logits must be finite numbers, got NaN or infinity; name another model")
    if not any((part > 0).any() for part in parts.above_label):
        return 1.0

    # NLL is convex in 1 / temperature: it falls up to its least value, and rises from there on.
    low, high = 1 / MOST, 1 / LEAST
    inverse = 1.0
    while high / low > 1 + _PRECISION:
        slope, curvature = _derivatives(parts.above_label, inverse)
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        # Newton's step; halves where that leaves the limits.
        step = inverse - slope / curvature if curvature else 0.0
        if abs(step / inverse - 1) < _PRECISION:
            break
        inverse = step if low < step < high else (low * high) ** 0.5
    return float(1 / inverse)


@dataclass(frozen=True)
class _Parts:
    """Images, some at a time: in float64, all logits would take several times their memory."""

    whole: "NDArray[np.floating]"
    """(N, K)."""
    labels: "NDArray[np.integer]"

    @property
    def logits(self) -> "Iterator[NDArray[np.float64]]":
        """The logits of some images each."""
        rows = max(1, _PART // max(1, self.whole.shape[-1]))
        for start in range(0, len(self.whole), rows):
            yield np.asarray(self.whole[start : start + rows], dtype=np.float64)

    @property
    def above_label(self) -> "Iterator[NDArray[np.float64]]":
        """How far each of these logits is above that of the image's label."""
        done = 0
        for part in self.logits:
            labels = self.labels[done : done + len(part)]
            yield part - part[np.arange(len(part)), labels][:, None]
            done += len(part)


def _derivatives(
    above_label: "Iterable[NDArray[np.float64]]", inverse: float
) -> tuple[float, float]:
    """The first and the second derivative of the mean NLL by the inverse of the temperature: mean
    and variance of how far a logit is above the label's, where each class is as probable as it is.
    """
    every = [_moments(part, inverse) for part in above_label]
    means, squares = (np.concatenate(found) for found in zip(*every, strict=True))
    return float(means.mean()), float((squares - means**2).mean())


def _moments(
    above_label: "NDArray[np.float64]", inverse: float
) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """The mean for each image, and the mean square."""
    weighted = softmax(above_label * inverse) * above_label
    return weighted.sum(-1), (weighted * above_label).sum(-1)


def softmax(logits: "NDArray[np.floating]", temperature: float = 1.0) -> "NDArray[np.float64]":
    """Probabilities of logits: (N, K), float64."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    powers = np.exp(scaled - scaled.max(-1, keepdims=True))
    probabilities: NDArray[np.float64] = powers / powers.sum(-1, keepdims=True)
    return probabilities


def scaled(predicted: "Predicted", temperature: float) -> "Predicted":
    """The same predictions, as their logits divided by the temperature give them."""
    with np.errstate(divide="ignore"):  # a probability of 0 stays one
        logits = np.log(predicted.probabilities)
    return replace(predicted, probabilities=softmax(logits, temperature))
