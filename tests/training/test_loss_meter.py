"""The loss of an epoch, which is read from the device many updates at a time."""

import pytest
import torch

from tlf.training.loss_meter import LossMeter, Made


def made(loss, images=1, logits=()):
    return Made(torch.tensor(float(loss)), tuple(map(torch.tensor, logits)), images)


def read(meter):
    return meter.take([number.item() for number in meter.pending()])


def test_the_mean_is_over_images_not_over_updates():
    meter = LossMeter()
    meter.add(made(6.0, images=3), 3, 0)
    assert (meter.so_far(), meter.total, meter.done) == (None, 0.0, 3)
    assert read(meter) == {}
    assert meter.so_far() == 2.0
    meter.add(made(8.0), 1, 1)
    assert read(meter) == {}
    assert (meter.so_far(), meter.total, meter.done) == (14 / 4, 14.0, 4)
    assert meter.pending() == []


def test_of_two_processes_each_knows_the_mean_of_its_own_images():
    meter = LossMeter()
    meter.add(made(6.0, images=2), 4, 0)
    read(meter)
    assert (meter.so_far(), meter.done) == (3.0, 4)


def test_small_losses_are_not_lost_in_a_large_sum():
    """As they would be in float32, on a device without float64."""
    meter = LossMeter()
    meter.add(made(1e8), 1, 0)
    for number in range(100):
        meter.add(made(1e-3), 1, number + 1)
    read(meter)
    assert meter.total == pytest.approx(1e8 + 0.1, abs=1e-6)


def test_an_earlier_sum_is_continued():
    meter = LossMeter()
    meter.resume(12.0, 4)
    assert meter.so_far() is None
    meter.add(made(3.0), 1, 4)
    read(meter)
    assert (meter.total, meter.done, meter.so_far()) == (15.0, 5, 3.0)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_loss_that_is_not_finite_is_named_with_its_update(value):
    meter = LossMeter()
    meter.add(made(1.0), 1, 0)
    meter.add(made(float(value)), 1, 1)
    meter.add(made("nan"), 1, 2)
    assert str(read(meter)) == str({"the loss of update 2": float(value)})
    assert meter.total == 1.0


def test_a_logit_may_be_infinite_where_the_loss_is_not():
    meter = LossMeter()
    meter.add(made(1.0, logits=(-3.0, 2.0)), 1, 0)
    meter.add(made(1.0, logits=(-3.0, 2.0, float("-inf"), 2.0)), 1, 1)
    assert read(meter) == {"the logits of update 2": float("-inf")}


def test_correct_images_are_counted_where_they_are_known():
    meter = LossMeter()
    meter.resume(2.0, 4, 3, 4)
    pieces = (torch.tensor([True, False]), torch.tensor([True]))
    meter.add(Made(torch.tensor(1.0), (), 3, pieces), 3, 0)
    meter.add(made(1.0), 1, 1)  # a plugin made it
    assert len(meter.pending()) == 3  # both losses, and one count for both updates
    assert read(meter) == {}
    assert (meter.correct, meter.classified, meter.done) == (5, 7, 8)
