"""Built-ins are tested on one thread: on small networks and images, more threads only wait."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread: None) -> None:
    """For each module."""
