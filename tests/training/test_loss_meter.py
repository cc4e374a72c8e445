"""The loss of an epoch."""

import pytest
import torch
from accelerate import Accelerator

from tlf.errors import NotFiniteError
from tlf.training.loss_meter import CHECK_EVERY, LossMeter

CPU = torch.device("cpu")


class Gpu:
    """A device that has the type of a GPU, for a meter whose sum is on the CPU."""

    type = "cuda"


@pytest.fixture
def on_gpu(monkeypatch):
    real = torch.zeros
    with monkeypatch.context() as patch:
        patch.setattr(torch, "zeros", lambda *sizes, device, dtype: real(*sizes, dtype=dtype))
        return LossMeter(Gpu(), "phase p, epoch 1")


def test_the_mean_is_over_images_not_over_updates():
    meter = LossMeter(CPU, "phase p, epoch 1")
    assert meter.so_far() is None
    meter.add(torch.tensor(6.0), 3, 0)
    assert meter.so_far() == 2.0
    meter.add(torch.tensor(8.0), 1, 1)
    assert meter.so_far() == meter.mean(Accelerator()) == 14 / 4
    assert meter.done == 4


def test_small_losses_are_not_lost_in_a_large_sum():
    meter = LossMeter(CPU, "phase p, epoch 1")
    meter.add(torch.tensor(1e8), 1, 0)
    for number in range(100):
        meter.add(torch.tensor(1e-3), 1, number + 1)
    assert float(meter.total) == pytest.approx(1e8 + 0.1, abs=1e-6)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_loss_that_is_not_finite_is_raised_with_its_update(value):
    meter = LossMeter(CPU, "phase p, epoch 2")
    meter.add(torch.tensor(1.0), 1, 0)
    expected = f"the loss must be finite, got {value} in phase p, epoch 2, update 2; write a lower"
    with pytest.raises(NotFiniteError, match=expected):
        meter.add(torch.tensor(float(value)), 1, 1)


def test_a_gpu_is_only_waited_for_every_so_many_updates(on_gpu):
    on_gpu.add(torch.tensor(float("nan")), 1, 0)
    for number in range(1, CHECK_EVERY - 1):
        on_gpu.add(torch.tensor(1.0), 1, number)
    with pytest.raises(NotFiniteError, match="got nan in phase p, epoch 1, update 1;"):
        on_gpu.add(torch.tensor(1.0), 1, CHECK_EVERY - 1)


def test_the_mean_checks_the_last_updates_too(on_gpu):
    on_gpu.add(torch.tensor(float("inf")), 1, 0)
    with pytest.raises(NotFiniteError, match="update 1;"):
        on_gpu.mean(Accelerator())
