import os
import threading

import numpy as np
import pytest
import torch

from tlf.cache.entry import EntryKey
from tlf.cache.rows import Rows
from tlf.cache.store import Cache


@pytest.fixture
def entry(tmp_path):
    cache, key = Cache(tmp_path, 10**9), EntryKey("activations", "rows", {"a": 1})
    partial = cache.begin(key, 50)
    partial.write(0, np.arange(50, dtype=np.uint8).data)
    partial.close()
    cache.finish(partial, key, None)
    return cache.open(key)


def check(rows: Rows) -> None:
    found = [*rows.read([[3, 0], [9]])]
    assert [indices.tolist() for indices, _ in found] == [[3, 0], [9]]
    expected = [[[15, 16, 17, 18, 19], [0, 1, 2, 3, 4]], [[45, 46, 47, 48, 49]]]
    assert [values.tolist() for _, values in found] == expected
    assert all(values.device.type == rows.device.type for _, values in found)


def test_rows_are_read(entry):
    check(Rows(entry, 5, 10, torch.device("cpu")))


def test_rows_are_read_ahead(entry):
    ahead = Rows(entry, 5, 10, torch.device("cpu"))._ahead([[3, 0], [9]], pin=False)
    assert [rows.tolist() for _, rows in ahead] == [
        [[15, 16, 17, 18, 19], [0, 1, 2, 3, 4]],
        [[45, 46, 47, 48, 49]],
    ]


def test_rows_are_read_into_page_locked_memory_of_the_first_thread(entry, monkeypatch):
    asked, empty = [], torch.empty

    def noted(*shape, pin_memory, **more):
        asked.append((threading.current_thread() is threading.main_thread(), pin_memory))
        return buffers.append(empty(*shape, **more)) or buffers[-1]

    buffers = []
    monkeypatch.setattr(torch, "empty", noted)
    found = [*Rows(entry, 5, 10, torch.device("cpu"))._ahead([[3, 0], [9]], pin=True)]
    assert asked == [(True, True)] * 2
    assert [rows.data_ptr() for _, rows in found] == [buffer.data_ptr() for buffer in buffers]
    assert found[1][1].tolist() == [[45, 46, 47, 48, 49]]


def test_there_are_no_rows_where_the_entry_was_cut(entry):
    os.truncate(entry.folder / "data", 20)
    read = Rows(entry, 5, 10, torch.device("cpu")).read([[3], [9], [0]])
    assert [rows is None for _, rows in read] == [False, True, False]


@pytest.mark.gpu
@pytest.mark.parametrize("share", [0.0, 0.25])
def test_rows_of_a_gpu(entry, share, monkeypatch):
    monkeypatch.setattr("tlf.cache.rows._SHARE", share)
    check(Rows(entry, 5, 10, torch.device("cuda")))
