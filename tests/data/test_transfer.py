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
