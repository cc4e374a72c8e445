import threading

import pytest
import torch

from tlf.data.loading import Images
from tlf.data.stored_batches import stored_batches


class Numbered:
    """Images that hold their number; the threads that asked for them."""

    def __init__(self):
        self.threads = set()

    def __call__(self, index):
        self.threads.add(threading.get_ident())
        if index == 77:
            raise OSError("it was removed")
        return torch.full((3, 6, 4), index, dtype=torch.uint8)


def batches(*sizes, start=0):
    numbers = iter(range(start, start + sum(sizes)))
    return [[(0, next(numbers)) for _ in range(size)] for size in sizes]


def test_batches_are_whole_and_in_order():
    pixels = Numbered()
    images = Images(pixels, torch.arange(100) * 2, 4)
    found = [*stored_batches(images, batches(40, 5, 1, 20, 3, 2), 4, pin=False)]
    assert [len(part.labels) for [part] in found] == [40, 5, 1, 20, 3, 2]
    whole = torch.cat([part.inputs for [part] in found])
    assert torch.equal(whole, torch.stack([images[0, i][1] for i in range(71)]))
    assert torch.equal(torch.cat([part.labels for [part] in found]), torch.arange(71) * 2)
    assert torch.equal(torch.cat([part.indices for [part] in found]), torch.arange(71))
    assert len(pixels.threads) > 1


def test_an_error_comes_with_its_batch():
    images = Images(Numbered(), torch.arange(100), 4)
    found = stored_batches(images, batches(20, 20, start=50), 2, pin=False)
    assert len(next(found)[0].labels) == 20
    with pytest.raises(OSError, match="it was removed"):
        next(found)


def test_a_stop_ends_all_reading():
    """Nothing is read any more, and no thread is left."""
    pixels, before = Numbered(), threading.active_count()
    images = Images(pixels, torch.arange(100), 4)
    found = stored_batches(images, batches(20, 20, 20, start=20), 2, pin=False)
    next(found)
    found.close()
    assert threading.active_count() == before


def test_threads_start_no_threads_of_torch(monkeypatch):
    """torch copies more than 32,768 values by several threads, in each of the threads that ask."""
    monkeypatch.setattr(torch.Tensor, "copy_", None)
    images = Images(Numbered(), torch.arange(100), 4)
    [[part]] = stored_batches(images, batches(20), 2, pin=False)
    assert part.inputs[7].unique().tolist() == [7]


@pytest.mark.parametrize("pin", [True, False])
def test_memory_is_asked_for_in_one_thread(monkeypatch, pin):
    """The first thread of a process has its GPU; others would start the first one of the host."""
    asked, empty = [], torch.empty

    def noted(*shape, pin_memory, **more):
        asked.append((threading.current_thread() is threading.main_thread(), pin_memory))
        return empty(*shape, **more)

    monkeypatch.setattr(torch, "empty", noted)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    images = Images(Numbered(), torch.arange(100), 4)
    [*_] = stored_batches(images, batches(20, 3), 2, pin=pin)
    assert asked == [(True, pin)] * 2


@pytest.mark.gpu
def test_page_locked_memory():
    images = Images(Numbered(), torch.arange(100), 4)
    [[part]] = stored_batches(images, batches(5), 2, pin=True)
    assert part.inputs.is_pinned()
    assert part.labels.is_pinned()
