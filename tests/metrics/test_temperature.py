"""The temperature at which NLL is least."""

import tracemalloc

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.metrics import log_loss

from tlf.errors import DataError
from tlf.metrics.temperature import LEAST, MOST, fit_temperature, softmax


def drawn(images, classes, temperature, seed=0):
    """Logits, and labels that are drawn from the softmax of logits / temperature."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 3, (images, classes)).astype(np.float32)
    noise = random.gumbel(size=logits.shape)
    return logits, (logits / temperature + noise).argmax(1)


@pytest.mark.parametrize("true", [0.5, 1.0, 2.5])
def test_the_temperature_that_labels_were_drawn_with_is_found(true):
    assert fit_temperature(*drawn(20_000, 5, true)) == pytest.approx(true, rel=0.03)


def test_no_other_temperature_has_a_lower_nll():
    logits, labels = drawn(300, 4, 1.7, seed=3)
    best = fit_temperature(logits, labels)
    nll = [log_loss(labels, softmax(logits, best * factor)) for factor in (1, 0.99, 1.01, 0.5, 2)]
    assert nll.index(min(nll)) == 0


@pytest.mark.parametrize("true", [0.1, 0.7, 3, 15])
def test_scipy_finds_the_same(true):
    logits, labels = drawn(200, 3, true)
    expected = minimize_scalar(
        lambda log: log_loss(labels, softmax(logits, np.exp(log))),
        bounds=(np.log(LEAST), np.log(MOST)),
        method="bounded",
    )
    assert fit_temperature(logits, labels) == pytest.approx(np.exp(expected.x), rel=1e-4)


def test_where_no_image_is_wrong_nothing_is_known():
    assert fit_temperature(np.eye(4) * 3, np.arange(4)) == 1.0
    assert fit_temperature(np.zeros((5, 3)), np.zeros(5, int)) == 1.0
    assert fit_temperature(np.zeros((5, 1)), np.zeros(5, int)) == 1.0
    assert fit_temperature(np.zeros((0, 3)), np.zeros(0, int)) == 1.0


def test_the_temperature_is_bounded():
    logits = np.eye(3) * 9
    assert fit_temperature(logits, np.array([1, 2, 0])) == pytest.approx(MOST, rel=1e-3)
    nearly_right = np.concatenate([np.eye(2), [[0, 1e-30]]])
    assert fit_temperature(nearly_right, np.array([0, 1, 0])) == pytest.approx(LEAST, rel=1e-3)


def test_huge_logits_do_not_overflow():
    logits = np.array([[1e30, 0.0], [0.0, 1e30], [1e30, 0.0]], dtype=np.float32)
    assert fit_temperature(logits, np.array([0, 1, 1])) == pytest.approx(MOST, rel=1e-3)


def test_logits_have_to_be_numbers():
    with pytest.raises(DataError, match="logits must be finite numbers, got NaN or infinity"):
        fit_temperature(np.array([[np.nan, 1.0]]), np.array([0]))


def test_softmax_of_scaled_logits():
    logits, _ = drawn(7, 3, 1)
    expected = np.exp(log_softmax(logits.astype(np.float64) / 2, axis=1))
    np.testing.assert_allclose(softmax(logits, 2), expected, rtol=1e-12)


@pytest.mark.parametrize("classes", [2, 3, 17, 1000])
def test_images_are_computed_some_at_a_time_to_the_same_bits(classes, monkeypatch):
    logits, labels = drawn(331, classes, 1.7)
    whole = fit_temperature(logits, labels)
    for part in (1, 7 * classes, 64 * classes):
        monkeypatch.setattr("tlf.metrics.temperature._PART", part)
        assert fit_temperature(logits, labels) == whole


def test_what_it_takes_does_not_grow_with_the_images(monkeypatch):
    """In float64, all logits at once took some eight times their memory."""
    logits, labels = drawn(4000, 250, 1.7)
    monkeypatch.setattr("tlf.metrics.temperature._PART", 2**14)
    tracemalloc.start()
    fit_temperature(logits, labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < logits.nbytes
