import pytest

from tlf.data.ranges import retries
from tlf.data.ranges.retries import PassingError, retried
from tlf.errors import DataError


@pytest.fixture
def clock(monkeypatch):
    """A clock that only waiting moves; the list of what was waited."""
    waited = []
    monkeypatch.setattr(retries.time, "sleep", waited.append)
    monkeypatch.setattr(retries.time, "monotonic", lambda: sum(waited))
    return waited


def fails(wait=0.0):
    raise PassingError("busy", wait)


def test_attempts_are_made_until_the_limit_each_after_a_longer_wait(clock):
    with pytest.raises(DataError, match=r"cannot read a\.tar: busy; tried 18 times in 113 seconds"):
        retried("a.tar", fails)
    assert clock[:4] == [0.1, 0.2, 0.4, 0.8]
    assert max(clock) == 10
    assert sum(clock) <= retries.LIMIT


def test_a_server_may_say_how_long_to_wait(clock):
    with pytest.raises(DataError, match="tried 3 times in 100 seconds"):
        retried("a.tar", lambda: fails(50))
    assert clock == [50, 50]


def test_a_wait_beyond_the_limit_is_not_begun(clock):
    with pytest.raises(DataError, match="busy; tried once; start again"):
        retried("a.tar", lambda: fails(3600))
    assert clock == []
