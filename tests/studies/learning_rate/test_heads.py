"""Rates of a head, from features to a suggestion."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from generators import exhausted
from new_heads import DECAYS, new_heads
from tlf.errors import NotFiniteError
from tlf.studies.judged import judged_images
from tlf.studies.learning_rate import heads as module
from tlf.studies.learning_rate.heads import measure_heads, open_heads


@pytest.fixture(scope="module")
def heads(images, tmp_path_factory):
    """Heads of features that tell the classes apart if they are trained enough."""
    opened = new_heads(tmp_path_factory.mktemp("heads"), images, DECAYS, (0, 1))
    noise = torch.randn(opened.features.shape, generator=torch.Generator().manual_seed(0))
    signal = (opened.labels * 2 - 1).float().unsqueeze(1) * (torch.arange(noise.shape[1]) < 4)
    return replace(opened, features=noise + 0.7 * signal, phase=replace(opened.phase, epochs=6))


@pytest.fixture(scope="module")
def judged(heads):
    return judged_images(heads.labels.numpy(), np.arange(20), ("a", "b"), 0, 2)


def test_the_rate_that_learns_is_suggested(heads, judged):
    rates = (1e-9, 0.05, 1e30)
    found, events = exhausted(measure_heads(heads, judged, 0.05, rates))
    assert (found.best, found.suggestion, found.own) == (0.05, 0.05, 0.05)
    low, best, broken = found.rates
    assert best.accuracy.value > low.accuracy.value
    assert best.accuracy.low <= np.mean(best.of_seeds) <= best.accuracy.high
    assert low.behind.value == pytest.approx(low.accuracy.value - best.accuracy.value)
    assert (low.behind.images, low.behind.draws) == (20, 10)
    assert low.behind.value < 0
    assert (broken.accuracy, broken.loss) == (None, None)
    assert (found.images, found.seeds, found.level) == (20, (0, 1), 0.95)
    assert found.lines == ("lr = 0.05",)
    assert events[-1].done == events[-1].images


def test_a_suggestion_has_the_lowest_loss_of_those_that_are_alike(heads, judged):
    found, _ = exhausted(measure_heads(heads, judged, 0.05, (0.05, 500.0)))
    assert found.alike == (0.05, 500.0)
    assert found.suggestion == 0.05
    assert found.rates[0].loss < found.rates[1].loss


def test_no_rate_with_a_finite_loss_is_an_error(heads, judged):
    with pytest.raises(NotFiniteError, match=r"at all of them, from 1e\+29 to 1e\+30, in phase"):
        exhausted(measure_heads(heads, judged, 0.05, (1e29, 1e30)))


def test_features_must_be_finite(heads, monkeypatch):
    def nothing(*_):
        yield from ()
        return torch.full((20, 4), float("nan"))

    monkeypatch.setattr(module, "_features", nothing)
    with pytest.raises(NotFiniteError, match="features of the backbone must be finite"):
        exhausted(open_heads(heads.job, heads.phase, heads.segment, (0,)))
