"""A cache of one million bytes."""

import pytest

from tlf.cache.store import Cache


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache", 10**6)
