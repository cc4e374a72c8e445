import math
import pickle
from dataclasses import asdict

import pytest
import torch
from timm.scheduler import CosineLRScheduler
from torch.optim import lr_scheduler

from tlf.builtin.schedulers import Constant, Cosine, Linear, OneCycle, Plateau, Step, tlf_schedulers
from tlf.results import EpochResult, Progress


def factors(scheduler, epochs=4, updates=5, history=()):
    return [
        scheduler.factor(Progress(epoch, epochs, update, updates, tuple(history[:epoch])))
        for epoch in range(epochs)
        for update in range(updates)
    ]


def sgd():
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)


def torchs(optimizer, scheduler, steps):
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def result(number, top1=0.5, loss=1.0):
    return EpochResult("all", number, 1.0, {"loss": loss, "top1": top1}, 0.1, 1, 1.0, 1.0)


def test_constant():
    assert factors(Constant()) == [1.0] * 20


def test_warmup_is_torchs_linear_warmup():
    # 20 updates, a quarter of them: 5, which rise by 1 / 6 each.
    optimizer = sgd()
    reference = lr_scheduler.LinearLR(optimizer, start_factor=1 / 6, total_iters=5)
    assert factors(Constant(warmup=0.25)) == pytest.approx(torchs(optimizer, reference, 20))


def test_linear_is_torchs_linear():
    optimizer = sgd()
    reference = lr_scheduler.LinearLR(optimizer, 1.0, 0.2, total_iters=20)
    assert factors(Linear(end=0.2)) == pytest.approx(torchs(optimizer, reference, 20))


@pytest.mark.parametrize("end", [0.0, 0.05])
def test_cosine_is_torchs_cosine(end):
    optimizer = sgd()
    reference = lr_scheduler.CosineAnnealingLR(optimizer, T_max=20, eta_min=end)
    assert factors(Cosine(end=end)) == pytest.approx(torchs(optimizer, reference, 20))


@pytest.mark.parametrize(("warmup", "warm"), [(0.0, 0), (0.1, 2), (0.25, 5), (0.5, 10)])
def test_cosine_with_warmup_is_timms(warmup, warm):
    optimizer = sgd()
    reference = CosineLRScheduler(
        optimizer,
        t_initial=20 - warm,
        lr_min=0.01,
        warmup_t=warm,
        warmup_lr_init=1 / (warm + 1),
        warmup_prefix=True,
        t_in_epochs=False,
    )
    rates = []
    for update in range(20):
        reference.step_update(update)
        rates.append(optimizer.param_groups[0]["lr"])
    assert factors(Cosine(end=0.01, warmup=warmup)) == pytest.approx(rates)


def test_cosine_with_warmup_by_its_formula():
    # 10 updates, of which round(0.3 * 10) = 3 warm up.
    found = factors(Cosine(warmup=0.3), epochs=2)
    assert found[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert found[4:] == pytest.approx([math.cos(math.pi * k / 14) ** 2 for k in range(1, 7)])


def test_linear_after_warmup():
    found = factors(Linear(warmup=0.5), epochs=1, updates=6)
    assert found == pytest.approx([0.25, 0.5, 0.75, 1, 2 / 3, 1 / 3])


def test_step_is_torchs_step():
    optimizer = sgd()
    reference = lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.3)
    rates = torchs(optimizer, reference, 7)
    found = factors(Step(every=2, gamma=0.3), epochs=7, updates=3)
    assert found == pytest.approx([rate for rate in rates for _ in range(3)])


def test_step_drops_in_its_epoch_with_and_without_warmup():
    plain, warm = factors(Step(every=2)), factors(Step(every=2, warmup=0.2))
    assert warm[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert warm[4:] == plain[4:]


@pytest.mark.parametrize("peak_at", [0.3, 0.25, 0.01, 0.9])
@pytest.mark.parametrize("epochs", [1, 2, 4])
def test_one_cycle_is_torchs(peak_at, epochs):
    total = epochs * 5
    optimizer = sgd()
    if peak_at * total > 1:
        reference = lr_scheduler.OneCycleLR(optimizer, 1.0, total, pct_start=peak_at)
        rates = []
        for update in range(total):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if update < total - 1:
                reference.step()
        assert factors(OneCycle(peak_at), epochs) == pytest.approx(rates)
    else:
        assert factors(OneCycle(peak_at), epochs)[0] == 1


def test_one_cycle_ends():
    found = factors(OneCycle(start_div=10, end_div=100))
    assert found[0] == pytest.approx(0.1)
    assert max(found) == pytest.approx(1)
    assert found[-1] == pytest.approx(0.001)


@pytest.mark.parametrize("patience", [1, 2, 3])
@pytest.mark.parametrize("monitor", ["eval_top1", "eval_loss"])
def test_plateau_is_torchs(patience, monitor):
    generator = torch.Generator().manual_seed(patience)
    # Rounded, so that some values are equal: an equal value is no improvement.
    values = (torch.rand(40, generator=generator) * 20).round().div(20).tolist()
    optimizer = sgd()
    mode = "min" if monitor == "eval_loss" else "max"
    reference = lr_scheduler.ReduceLROnPlateau(
        optimizer, mode, 0.5, patience - 1, threshold=0.0, min_lr=0.01, eps=0.0
    )
    history = tuple(result(i, top1=f, loss=f) for i, f in enumerate(values))
    scheduler = Plateau(patience, gamma=0.5, min_factor=0.01)
    drops = set()
    for number, value in enumerate(values):
        progress = Progress(number, 40, history=history[:number], monitor=monitor)
        assert scheduler.factor(progress) == pytest.approx(optimizer.param_groups[0]["lr"])
        drops.add(scheduler.factor(progress))
        optimizer.step()
        reference.step(value)
    assert len(drops) > 4


def test_plateau_with_warmup_multiplies():
    history = [result(0), result(1), result(2), result(3)]
    found = factors(Plateau(patience=2, warmup=0.2), history=history)
    assert found == pytest.approx([0.2, 0.4, 0.6, 0.8, *[1.0] * 11, *[0.1] * 5])


@pytest.mark.parametrize("kind", tlf_schedulers())
@pytest.mark.parametrize(("epochs", "updates"), [(1, 1), (1, 2), (3, 1), (2, 7)])
@pytest.mark.parametrize("warmup", [0.0, 0.4, 0.99])
def test_every_update_of_any_phase_trains(kind, epochs, updates, warmup):
    options = {} if kind == "one-cycle" else {"warmup": warmup}
    found = factors(tlf_schedulers()[kind](**options), epochs, updates)
    assert all(0 < factor <= 1 for factor in found)
    assert all(type(factor) is float for factor in found)


@pytest.mark.parametrize("kind", ["constant", "linear", "cosine", "step", "plateau"])
@pytest.mark.parametrize("warmup", [-0.1, 1.0, float("nan")])
def test_warmup_is_a_fraction(kind, warmup):
    with pytest.raises(ValueError, match=f"warmup must be a fraction .* to below 1, got {warmup}"):
        tlf_schedulers()[kind](warmup=warmup)


@pytest.mark.parametrize(
    ("scheduler", "options", "message"),
    [
        (Linear, {"end": -0.5}, "end must be a factor from 0 to 1, got -0.5"),
        (Cosine, {"end": 1.5}, "end must be a factor from 0 to 1, got 1.5"),
        (Step, {"every": 0}, "every must be 1 or more, got 0"),
        (Step, {"gamma": 0.0}, "gamma must be a factor above 0 and up to 1, got 0.0"),
        (OneCycle, {"peak_at": 0.0}, "peak_at must be between 0 and 1, got 0.0"),
        (OneCycle, {"start_div": 0.5}, "start_div must be finite and 1 or more, got 0.5"),
        (OneCycle, {"end_div": 0.0}, "end_div must be finite and 1 or more, got 0.0"),
        (Plateau, {"patience": 0}, "patience must be 1 or more, got 0"),
        (Plateau, {"gamma": 2.0}, "gamma must be a factor above 0 and up to 1, got 2.0"),
        (Plateau, {"min_factor": 2.0}, "min_factor must be a factor from 0 to 1, got 2.0"),
    ],
)
def test_wrong_options(scheduler, options, message):
    with pytest.raises(ValueError, match=message):
        scheduler(**options)


@pytest.mark.parametrize("kind", tlf_schedulers())
def test_components_are_values(kind):
    scheduler = tlf_schedulers()[kind]()
    assert pickle.loads(pickle.dumps(scheduler)) == scheduler
    assert type(scheduler)(**asdict(scheduler)) == scheduler
