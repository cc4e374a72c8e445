from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tlf.cache import resident as module
from tlf.cache.entry import EntryKey
from tlf.cache.resident import resident
from tlf.cache.store import Cache

CPU = torch.device("cpu")
BYTES = np.arange(250, dtype=np.uint8)


@pytest.fixture
def entry(tmp_path):
    cache, key = Cache(tmp_path, 10**9), EntryKey("activations", "bytes", {"a": 1})
    cache.store(key, BYTES.data)
    return cache.open(key)


@pytest.mark.parametrize("block", [1, 49, 50, 250, 10**6])
def test_it_is_read_in_blocks(entry, monkeypatch, block):
    monkeypatch.setattr(module, "_BLOCK", block)
    assert resident(entry, CPU, 0.0).tolist() == BYTES.tolist()


def test_an_entry_that_was_cut_is_not_held(entry):
    with (entry.folder / "data").open("r+b") as file:
        file.truncate(90)
    assert resident(entry, CPU, 1.0) is None


@pytest.mark.parametrize(("free", "fits"), [(501, True), (499, False)])
def test_it_takes_a_share_of_the_free_memory_at_most(entry, monkeypatch, free, fits):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 2**40))
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda size, *, dtype, **_: empty(size, dtype=dtype))
    assert (resident(entry, SimpleNamespace(type="cuda"), 0.5) is not None) == fits


@pytest.mark.gpu
def test_on_a_gpu(entry):
    assert resident(entry, torch.device("cuda"), 0.5).tolist() == BYTES.tolist()
