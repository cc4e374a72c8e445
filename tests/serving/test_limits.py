"""Limits are numbers above 0."""

import pytest

import tlf
from places import ROOT
from tlf.errors import RunError
from tlf.serving import BATCH, WINDOW
from tlf.serving.limits import MEGABYTE


def test_limits_are_above_0():
    assert tlf.ServingLimits().held == 8 * 32_000_000
    for name in ("body", "pixels", "images", "queue", "seconds"):
        for value in (0, -1, float("nan")):
            with pytest.raises(RunError, match=f"{name} must be above 0, got .*; leave it out for"):
                tlf.ServingLimits(**{name: value})


def test_the_document_has_the_defaults():
    text, limits = (ROOT / "tlf/serving/README.md").read_text(), tlf.ServingLimits()
    for option, default in {
        "--max-body": f"{limits.body // MEGABYTE} MB",
        "--max-images": limits.images,
        "--max-pixels": f"{limits.pixels // 10**6} million",
        "--timeout": f"{limits.seconds:g} s",
        "--queue": limits.queue,
    }.items():
        assert f"| `{option}` | {default} |" in text
    assert f"`--batch` at once ({BATCH})" in text
    assert f"`--window` milliseconds at most ({WINDOW:g})" in text
    assert f"| {limits.held // limits.body} × `--max-body` |" in text
