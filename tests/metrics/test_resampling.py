"""Resamples as rows of weights, and intervals of what they give."""

import numpy as np
import pytest

from tlf.metrics import resampling
from tlf.metrics.figures import Figure
from tlf.metrics.resampling import figures, resampled


def test_a_resample_draws_as_many_images_as_there_are():
    weights = np.concatenate([*resampled(30, 500, seed=1)])
    assert weights.shape == (500, 30)
    assert (weights.sum(1) == 30).all()
    assert weights.var() == pytest.approx(29 / 30, rel=0.05)  # of a binomial distribution


def test_blocks_hold_what_one_block_would(monkeypatch):
    whole = np.concatenate([*resampled(31, 77, seed=4)])
    monkeypatch.setattr(resampling, "_AT_ONCE", 100)
    blocks = [*resampled(31, 77, seed=4)]
    assert len(blocks) == 26
    assert np.array_equal(np.concatenate(blocks), whole)


def test_more_images_than_fit_into_a_block_are_drawn_in_rows(monkeypatch):
    monkeypatch.setattr(resampling, "_AT_ONCE", 10)
    assert [block.shape for block in resampled(31, 3, seed=0)] == [(1, 31)] * 3


def test_limits_are_quantiles_around_the_value():
    drawn = np.random.default_rng(0).normal(0.4, 0.05, (3, 1001))
    values = np.median(drawn, axis=1)
    for one, row in zip(figures(values, drawn), drawn, strict=True):
        assert (one.low, one.high) == pytest.approx(tuple(np.quantile(row, [0.025, 0.975])))


def test_the_bias_of_resamples_is_taken_away():
    [one] = figures(np.array([0.5]), np.linspace(0.2, 0.4, 1001)[None])
    assert (one.low, one.high) == pytest.approx((0.405, 0.595))


def test_limits_are_limited():
    [one] = figures(np.array([0.98]), np.linspace(0.8, 0.99, 101)[None])
    assert one.high == 1
    [one] = figures(np.array([-0.98]), np.linspace(-0.99, -0.8, 101)[None], least=-1)
    assert one.low == -1


def test_resamples_without_a_figure_are_left_out():
    drawn = np.array([[np.nan, 0.1, np.nan, 0.3, 0.2], [np.nan] * 5])
    one, other = figures(np.array([0.2, np.nan]), drawn)
    assert (one.low, one.high) == pytest.approx((0.105, 0.295))
    assert other == Figure(None)
