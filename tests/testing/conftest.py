"""Checks of the kit run on one thread: their networks are so small that more threads only wait."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread: None) -> None:
    """For each module."""
