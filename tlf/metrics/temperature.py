"""The temperature: one number that logits are divided by, so that probabilities are as high as the
rate of right predictions (Guo et al., 2017).
"""

from dataclasses import replace
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


def fit_temperature(logits: "NDArray[np.floating]", labels: "NDArray[np.integer]") -> float:
    """The temperature from 0.05 to 20 at which NLL is least. ``logits``: (N, K).

    It is 1 where NLL has no least value: every image is classified correctly, so that NLL falls for
    ever as the temperature falls; or there is no image, or logits are equal for all classes.

    Raises:
        DataError: a logit is not finite.
    """
    logits = np.asarray(logits, dtype=np.float64)
    if not np.isfinite(logits).all():
        raise DataError("logits must be finite numbers, got NaN or infinity; name another model")
    above_label = logits - logits[np.arange(len(labels)), labels][:, None]
    if not (above_label > 0).any():
        return 1.0

    # NLL is convex in 1 / temperature: it falls up to its least value, and rises from there on.
    low, high = 1 / MOST, 1 / LEAST
    inverse = 1.0
    while high / low > 1 + _PRECISION:
        slope, curvature = _derivatives(above_label, inverse)
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        # Newton's step; halves where that leaves the limits.
        step = inverse - slope / curvature if curvature else 0.0
        if abs(step / inverse - 1) < _PRECISION:
            break
        inverse = step if low < step < high else (low * high) ** 0.5
    return float(1 / inverse)


def _derivatives(above_label: "NDArray[np.float64]", inverse: float) -> tuple[float, float]:
    """The first and the second derivative of the mean NLL by the inverse of the temperature: mean
    and variance of how far a logit is above the label's, where each class is as probable as it is.
    """
    probabilities = softmax(above_label * inverse)
    weighted = probabilities * above_label
    means = weighted.sum(-1)
    squares = (weighted * above_label).sum(-1)
    return float(means.mean()), float((squares - means**2).mean())


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
