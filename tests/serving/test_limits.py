"""Limits are numbers above 0."""

import pytest

import tlf
from tlf.errors import RunError


def test_limits_are_above_0():
    assert tlf.ServingLimits().held == 8 * 32_000_000
    for name in ("body", "pixels", "images", "queue", "seconds"):
        for value in (0, -1, float("nan")):
            with pytest.raises(RunError, match=f"{name} must be above 0, got .*; leave it out for"):
                tlf.ServingLimits(**{name: value})
