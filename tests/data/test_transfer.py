from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from tlf.data.loading import Batch
from tlf.data.transfer import on_device, on_host


def part(*numbers: int) -> Batch:
    values = torch.tensor(numbers)
    return Batch(values, values.to(torch.uint8).view(-1, 1, 1, 1), values * 10)


def check(device: torch.device) -> None:
    batches = [*on_device([[part(1, 2), part(3)], [part(4)], []][:2], device)]
    assert [b.labels.tolist() for b in batches] == [[10, 20, 30], [40]]
    assert [b.inputs.flatten().tolist() for b in batches] == [[1, 2, 3], [4]]
    assert all(t.device.type == device.type for b in batches for t in (b.inputs, b.indices))
    rows = [*on_host(b.inputs + 1 for b in batches)]
    assert [r.flatten().tolist() for r in rows] == [[2, 3, 4], [5]]
    assert all(r.device.type == "cpu" for r in rows)


def test_batches_are_joined():
    check(torch.device("cpu"))


@pytest.mark.gpu
def test_batches_are_copied_ahead():
    check(torch.device("cuda"))


def test_a_part_on_the_cpu_is_not_copied():
    given = part(1, 2)
    [batch] = on_device([[given]], torch.device("cpu"))
    assert batch.inputs.data_ptr() == given.inputs.data_ptr()


class Cuda:
    """Stands for CUDA: notes in order what is asked of it."""

    def __init__(self, monkeypatch):
        self.log, self.now = [], "own"
        monkeypatch.setattr(torch.cuda, "Stream", lambda _: self.stream("side"))
        monkeypatch.setattr(torch.cuda, "stream", self.using)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda _: self.stream("own"))

    def stream(self, name):
        def record_event():
            done = sum(line.startswith("copy") for line in self.log)
            return SimpleNamespace(
                number=done, synchronize=lambda: self.log.append(f"the host waits for {done}")
            )

        return SimpleNamespace(
            name=name,
            record_event=record_event,
            wait_event=lambda event: self.log.append(f"{name} waits for {event.number}"),
        )

    @contextmanager
    def using(self, stream):
        self.now = stream.name
        yield
        self.now = "own"

    def tensor(self, number):
        def to(device, *, non_blocking):
            assert non_blocking
            self.log.append(f"copy {number} on {self.now}")
            return tensor

        def record_stream(stream):
            self.log.append(f"{number} is used on {stream.name}")

        tensor = SimpleNamespace(
            to=to,
            record_stream=record_stream,
            device="cuda:0",
            contiguous=lambda *, memory_format: tensor,
        )
        return tensor


def test_batches_are_copied_beside_the_work_on_the_one_before(monkeypatch):
    """Each is copied on a stream of its own, one batch ahead, and kept until its user is done."""
    cuda = Cuda(monkeypatch)
    parts = [[Batch(*(cuda.tensor(3 * n + k) for k in (1, 2, 3)))] for n in range(2)]
    batches = on_device(parts, SimpleNamespace(type="cuda"))
    next(batches)
    assert cuda.log == [
        *(f"copy {n} on side" for n in range(1, 7)),
        "own waits for 3",
        *(f"{n} is used on own" for n in (1, 2, 3)),
    ]
    next(batches)
    assert cuda.log[10:] == ["own waits for 6", *(f"{n} is used on own" for n in (4, 5, 6))]


def test_results_leave_while_the_next_one_is_computed(monkeypatch):
    cuda = Cuda(monkeypatch)

    def empty(shape, *, dtype, pin_memory):
        assert (shape, pin_memory) == ((2,), True)  # otherwise the copy would wait
        return SimpleNamespace(
            copy_=lambda result, *, non_blocking: cuda.log.append(f"copy {result.number}")
        )

    monkeypatch.setattr(torch, "empty", empty)
    device = SimpleNamespace(type="cuda")
    results = (SimpleNamespace(number=n, shape=(2,), dtype=0, device=device) for n in (1, 2))
    rows = on_host(results)
    next(rows)
    assert cuda.log == ["copy 1", "copy 2", "the host waits for 1"]
    next(rows)
    assert cuda.log[3:] == ["the host waits for 2"]
