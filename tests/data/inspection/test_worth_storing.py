"""Pixels are worth storing only where reading them is faster than decoding."""

import os
import time

import numpy as np
import pytest

from tlf.cache.entry import EntryKey
from tlf.cache.store import Cache
from tlf.data.inspection.worth_storing import check_worth_storing
from tlf.errors import DataError
from tlf.runtime.devices import start_accelerator

LENGTH = 1000


@pytest.fixture
def partial(tmp_path):
    partial = Cache(tmp_path, 10**9).begin(EntryKey("full-pixels", "", {}), 100 * LENGTH)
    yield partial
    partial.discard()


@pytest.fixture
def check(partial):
    def check(decode, count=100, size=100 * LENGTH):
        starts = [LENGTH * number for number in range(count)]
        check_worth_storing(start_accelerator("no"), partial, starts, size, decode)

    return check


def slowly(seconds, seen=None):
    def decode(index):
        time.sleep(seconds)
        if seen is not None:
            seen.append(index)
        return np.full(LENGTH, index, np.uint8)

    return decode


@pytest.fixture
def slow_reads(monkeypatch):
    monkeypatch.setattr("tlf.cache.partial.Partial.read", lambda *_: time.sleep(0.02))


def test_a_few_images_all_over_the_split_are_written_and_measured(check, partial):
    seen = []
    check(slowly(0.01, seen))
    assert seen == [*range(0, 100, 13)]
    data = (partial.folder / "data").read_bytes()
    assert data[39 * LENGTH : 40 * LENGTH] == bytes([39]) * LENGTH


@pytest.mark.usefixtures("slow_reads")
def test_slow_reads_are_not_worth_it(check):
    with pytest.raises(OSError, match=r"to read one takes 2\d ms, to decode it (\d|1\d)\.?\d* ms"):
        check(slowly(0.001))
    check(slowly(0.05))


def test_one_interrupted_read_does_not_decide(check, monkeypatch):
    waits = iter([0.5, *[0.0] * 7])
    monkeypatch.setattr("tlf.cache.partial.Partial.read", lambda *_: time.sleep(next(waits)))
    check(slowly(0.02))


def test_more_than_memory_holds_is_read_from_the_disk(check, monkeypatch):
    forgotten = []
    monkeypatch.setattr(os, "posix_fadvise", lambda *_: forgotten.append(True), raising=False)
    monkeypatch.setattr("tlf.data.inspection.worth_storing.free_memory", lambda: 200 * LENGTH)
    check(slowly(0.01))
    assert not forgotten
    check(slowly(0.1), size=101 * LENGTH)
    assert forgotten


@pytest.mark.usefixtures("slow_reads")
@pytest.mark.parametrize("error", [DataError("no image"), OSError("gone")])
def test_images_that_cannot_be_decoded_are_not_measured(check, error):
    def decode(index):
        raise error

    check(decode)
    check(decode, count=0)


def test_a_full_disk_is_reported(check, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tlf.cache.partial.Partial.write", full)
    with pytest.raises(OSError, match="No space left on device"):
        check(slowly(0.001))
