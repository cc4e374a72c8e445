from dataclasses import replace

import pytest
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from tlf.model import Classifier
from tlf.recipe.schema import EarlyStopping
from tlf.results import EpochResult
from tlf.training.best_epoch import better, copies, newest_is_best, stalled

ZERO = EpochResult("p", 0, 0.0, {"loss": 0.0, "top1": 0.0}, 0.1, 1, 1.0, 1.0)


def _history(values, monitor="eval_top1"):
    name = monitor.removeprefix("eval_")
    return [
        replace(ZERO, epoch=n, metrics={**ZERO.metrics, name: value})
        for n, value in enumerate(values)
    ]


def test_higher_top1_and_lower_loss_are_better_and_a_tie_is_not():
    low, high = _history([0.2, 0.3])
    assert better("eval_top1", high, low)
    assert not better("eval_top1", low, low)
    low, high = _history([0.2, 0.3], "eval_loss")
    assert better("eval_loss", low, high)


def _tied(*losses):
    metrics = ({"loss": loss, "top1": 1.0} for loss in losses)
    return [replace(ZERO, epoch=n, metrics=figures) for n, figures in enumerate(metrics)]


def test_the_eval_loss_breaks_a_tie_of_a_rate():
    sure, unsure = _tied(0.0045, 0.1)
    assert better("eval_top1", sure, unsure)
    assert not better("eval_top1", unsure, sure)
    assert newest_is_best("eval_top1", _tied(0.1, 0.0045), None)
    assert not newest_is_best("eval_top1", _tied(0.0045, 0.1), None)
    assert not newest_is_best("eval_top1", _tied(0.1, 0.1), None)


def test_a_higher_rate_is_better_whatever_the_loss():
    low, high = _history([0.2, 0.3])
    assert better("eval_top1", replace(high, metrics={**high.metrics, "loss": 9.0}), low)


def test_the_eval_loss_breaks_no_tie_of_the_train_loss():
    sure, unsure = _tied(0.0045, 0.1)
    assert not better("train_loss", sure, unsure)


@pytest.mark.parametrize(
    ("values", "best"),
    [([0.1], True), ([0.1, 0.2], True), ([0.2, 0.2], False), ([0.2, 0.1], False)],
)
def test_the_newest_epoch_is_best_only_if_it_beats_all(values, best):
    assert newest_is_best("eval_top1", _history(values), None) is best


def test_a_plugin_that_selects_decides():
    assert newest_is_best("eval_top1", _history([0.9, 0.1]), 1)
    assert not newest_is_best("eval_top1", _history([0.1, 0.9]), 0)


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ([0.5, 0.4], False),
        ([0.5, 0.4, 0.5], True),
        ([0.5, 0.4, 0.6], False),
        ([0.5, 0.6, 0.6, 0.6], True),
        ([0.1, 0.2, 0.3, 0.4], False),
    ],
)
def test_a_phase_ends_when_patience_runs_out(values, ends):
    assert stalled(EarlyStopping(patience=2), "eval_top1", _history(values)) is ends


def test_min_delta_is_how_much_counts():
    history = _history([0.5, 0.505])
    assert stalled(EarlyStopping(patience=1, min_delta=0.01), "eval_top1", history)
    assert not stalled(EarlyStopping(patience=1, min_delta=0.001), "eval_top1", history)


def test_the_best_weights_are_kept_on_the_host():
    """Fake tensors have a device that this machine may lack, and no values."""
    with FakeTensorMode():
        head = nn.Linear(3, 2, device="cuda")
        on_gpu = Classifier(nn.Identity(), head, {})
        kept = copies(on_gpu, {"head.weight"})
        assert head.weight.device.type == "cuda"
    assert {name: (tensor.device.type, tensor.shape) for name, tensor in kept.items()} == {
        "head.weight": ("cpu", (2, 3))
    }
