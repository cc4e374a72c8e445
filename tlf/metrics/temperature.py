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


def fit_temperature(logits: "NDArray[np.floating]", labels: "NDArray[np.integer]") -> float:
    """The temperature from 0.05 to 20 at which NLL is least. ``logits``: (N, K).

    It is 1 where NLL has no least value: every image is classified correctly, so that NLL falls for
    ever as the temperature falls; or there is no image, or logits are equal for all classes.

    Raises:
        DataError: a logit is not finite.
    """
    from scipy.optimize import minimize_scalar

    logits = np.asarray(logits, dtype=np.float64)
    if not np.isfinite(logits).all():
        raise DataError("logits must be finite numbers, got NaN or infinity; name another model")
    above_label = logits - logits[np.arange(len(labels)), labels][:, None]
    if not (above_label > 0).any():
        return 1.0

    def nll(log_inverse: float) -> float:
        return float(_log_sum_exp(above_label * np.exp(log_inverse)).mean())

    # NLL is convex in 1 / temperature, so it has one least value.
    found = minimize_scalar(nll, bounds=(-np.log(MOST), -np.log(LEAST)), method="bounded")
    return float(np.exp(-found.x))


def softmax(logits: "NDArray[np.floating]", temperature: float = 1.0) -> "NDArray[np.float64]":
    """Probabilities of logits: (N, K), float64."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    powers = np.exp(scaled - scaled.max(-1, keepdims=True))
    probabilities: NDArray[np.float64] = powers / powers.sum(-1, keepdims=True)
    return probabilities


def _log_sum_exp(values: "NDArray[np.float64]") -> "NDArray[np.float64]":
    most = values.max(-1)
    sums: NDArray[np.float64] = most + np.log(np.exp(values - most[:, None]).sum(-1))
    return sums


def scaled(predicted: "Predicted", temperature: float) -> "Predicted":
    """The same predictions, as their logits divided by the temperature give them."""
    with np.errstate(divide="ignore"):  # a probability of 0 stays one
        logits = np.log(predicted.probabilities)
    return replace(predicted, probabilities=softmax(logits, temperature))
