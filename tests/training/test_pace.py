"""How often the host waits for the device."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from tlf.builtin.optimizers import Sgd
from tlf.data.loading import make_batches
from tlf.events import Updated
from tlf.hookspecs import hookimpl
from tlf.results import Progress
from tlf.runtime.devices import start_accelerator
from tlf.training import pace as module
from tlf.training.epoch import train_epoch
from tlf.training.evaluation import classify
from tlf.training.features import eval_images
from tlf.training.pace import UPDATES, Pace
from tlf.training.segments.segment import SegmentSetup, begin_segment
from tlf.training.signals import MEASURED
from tlf.training.state import State
from tlf.training.step import pieces_of


class Clock:
    """A clock that is set by hand."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def job_of(processes, others=0.0):
    """A job whose other processes together took so many seconds."""
    accelerator = SimpleNamespace(num_processes=processes)
    return SimpleNamespace(
        accelerator=accelerator, summed=lambda values: [value + others for value in values]
    )


def points(pace, clock, seconds, updates):
    """After which updates the host waits, where each takes so many seconds."""
    found = []
    for number in range(1, updates + 1):
        clock.now += seconds
        if pace.waits():
            found.append(number)
    return found


def test_one_process_waits_every_twenty_updates_or_every_second(clock):
    assert UPDATES == 20
    assert points(Pace(job_of(1)), clock, 0.001, 100) == [20, 40, 60, 80, 100]
    assert points(Pace(job_of(1)), clock, 0.3, 12) == [4, 7, 10]
    assert points(Pace(job_of(1)), clock, 30.0, 3) == [1, 2, 3]


@pytest.mark.parametrize("update", [0.06, 0.4, 0.9])
def test_a_gpu_that_takes_in_many_updates_at_once_is_waited_for_in_time(clock, update):
    """The host needs a millisecond for each. It learns at the first point what they really take."""
    pace, done, waits = Pace(job_of(1)), clock.now, []
    for _ in range(200):
        clock.now += 0.001
        done = max(done, clock.now) + update
        if pace.waits():
            waits.append(done - clock.now)
            clock.now = done
    assert max(waits[1:]) < 2
    assert len(waits) < 20 + 200 * update  # and about once a second


def test_several_processes_agree_on_the_next_point_at_the_last(clock):
    """Here both take the same time; the first point is after the first update."""
    pace = Pace(job_of(2))
    pace._job.summed = lambda values: [2 * value for value in values]
    assert points(pace, clock, 0.001, 61) == [1, 21, 41, 61]
    assert points(pace, clock, 0.3, 27) == [20, 23, 26]  # slower: after the next point


def test_a_slow_process_slows_all_of_them(clock):
    """One update of the other one takes 7 seconds: the mean is above a second."""
    assert points(Pace(job_of(2, others=7.0)), clock, 0.001, 3) == [1, 2, 3]


def test_processes_with_other_clocks_wait_after_the_same_updates(clock):
    """Each clock runs at its own speed. What they sum is the same in both."""
    fast, slow = Pace(job_of(2)), Pace(job_of(2))
    fast._job.summed = slow._job.summed = lambda values: [0.4]
    assert points(fast, clock, 0.01, 50) == points(slow, clock, 0.9, 50)


class HostReads(TorchDispatchMode):
    """Counts how often the host reads numbers of the device.

    On a CPU the device is the host, so nothing is transferred. But each call that would wait for a
    GPU is made all the same: ``item``, ``bool`` and ``float`` of a tensor are the operator
    ``_local_scalar_dense`` on any device; ``tolist``, ``numpy``, ``cpu`` and ``to("cpu")`` are no
    operators where the tensor is on the CPU, so a function mode counts them by name.

    Not counted: what goes to the device, by ``to`` with the job's own device, and what never leaves
    the host, which is the work of the loader. So its batches are made before. SGD keeps no count of
    its steps; other optimizers read theirs, which torch keeps on the host.
    """

    def __init__(self):
        super().__init__()
        self.reads, self.seen = [], set()
        self.precisions = {}
        """Operator → the types of its floating results."""
        self._functions = _Functions(self)

    def __enter__(self):
        self._functions.__enter__()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self._functions.__exit__(*error)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        self.seen.add(name)
        if name == "_local_scalar_dense":
            self.reads.append(name)
        results = function(*args, **(kwargs or {}))
        for result in results if isinstance(results, list | tuple) else [results]:
            if isinstance(result, torch.Tensor) and result.is_floating_point():
                self.precisions.setdefault(name, set()).add(result.dtype)
        return results


class _Functions(TorchFunctionMode):
    def __init__(self, counter):
        super().__init__()
        self.counter = counter

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        to_host = name == "to" and "cpu" in (*args[1:], *(kwargs or {}).values())
        if name in ("tolist", "numpy", "cpu") or to_host:
            self.counter.reads.append(name)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "read",
    [
        torch.Tensor.item, torch.Tensor.tolist, torch.Tensor.numpy, torch.Tensor.cpu,
        bool, float, lambda tensor: tensor.to("cpu"), lambda tensor: tensor.to(device="cpu"),
    ],
)  # fmt: skip
def test_the_counter_sees_every_way_to_read(read):
    with HostReads() as counter:
        read(torch.ones(()))
    assert len(counter.reads) == 1


@pytest.fixture(params=["no", "bf16"])
def precision(request):
    """A precision, with an accelerator that computes in it."""
    yield request.param, start_accelerator(request.param)
    start_accelerator("no")


def test_the_host_reads_nothing_of_an_evaluated_batch(job, monkeypatch):
    monkeypatch.setattr("tlf.training.evaluation.eval_batch", lambda _: 2)
    rates = {n: 1e-4 for n, _ in job.classifier.named_parameters()}
    segment = begin_segment(
        job.accelerator, job.classifier, SegmentSetup(frozenset(), rates, Sgd())
    )
    batches = [
        *job.loaders.batches(eval_images(job), [[(0, i)] for i in range(len(job.splits.eval))])
    ]
    monkeypatch.setattr("tlf.training.evaluation.plain_batches", lambda *_: iter(batches))
    with HostReads() as counter:
        found = [(len(counter.reads), step) for step in classify(job, segment, None)]
    job.accelerator.free_memory()
    *evaluated, (_, predictions) = found
    assert [reads for reads, _ in evaluated] == [0] * len(batches)
    assert len(predictions.logits) == len(batches) > 5
    assert {name[:4] for name in counter.seen} >= {"conv", "line"}
    assert counter.reads  # the logits, once


@pytest.mark.parametrize("frozen", ["backbone", "nothing"])
def test_the_host_reads_once_in_twenty_updates(job, changed, monkeypatch, precision, frozen):
    monkeypatch.setattr(module, "SECONDS", 1e9)
    name, accelerator = precision
    job = replace(changed(job, batch_size=2, clip_grad_norm=1.0), accelerator=accelerator)
    names = frozenset(job.classifier.backbone_names if frozen == "backbone" else ())
    rates = {n: 1e-4 for n, _ in job.classifier.named_parameters() if n not in names}
    segment = begin_segment(job.accelerator, job.classifier, SegmentSetup(names, rates, Sgd()))
    indices, phase = [*range(20)] * 4, job.recipe.phases[0]
    draws = make_batches([(0, index) for index in indices], 2, lone=False)
    pieces = [*pieces_of(job, phase, draws, 0, None, together=False)]
    monkeypatch.setattr("tlf.training.epoch.order", lambda *_: indices)
    monkeypatch.setattr("tlf.training.epoch.pieces_of", lambda *_, together: iter(pieces))
    state, heard = State(), []
    plugin = SimpleNamespace(tlf_update_ended=hookimpl(lambda result: heard.append(result)))
    job.plan.plugins.manager.register(plugin, name="heard")
    with HostReads() as counter:
        events = list(train_epoch(job, phase, segment, Progress(0, 1), state))
    job.plan.plugins.manager.unregister(plugin)
    job.accelerator.free_memory()
    updates = [e for e in events if isinstance(e, Updated)]
    assert len(updates) == 40
    assert [n for n, e in enumerate(updates, start=1) if e.synced] == [20, 40]
    assert counter.reads == ["tolist"] * 2
    assert len(heard) == 40  # a plugin that hears of every update makes the host wait no more often
    assert [update.loss is None for update in heard[18:20]] == [True, False]
    # It has really seen the steps: forward, loss, backward and the optimizer.
    assert {"convolution", "_log_softmax", "nll_loss_backward", "add_"} <= counter.seen
    assert ("convolution_backward" in counter.seen) == (frozen == "nothing")
    half = {"no": torch.float32, "bf16": torch.bfloat16}[name]
    assert counter.precisions["convolution"] == {half}
    assert not any(torch.float64 in types for types in counter.precisions.values())
    assert state.signals.count == MEASURED
