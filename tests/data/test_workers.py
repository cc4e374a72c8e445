"""How many processes load images, and what happens when one is lost or asked to end."""

import os
import signal
import time

import pytest
import torch
from torch.utils.data import DataLoader

from tlf.data import workers
from tlf.data.workers import begin_worker, forget_workers, lost_worker, worker_count


def test_no_workers_on_a_cpu_unless_asked():
    assert worker_count("auto", on_cpu=True) == 0
    assert worker_count(3, on_cpu=True) == 3


@pytest.mark.parametrize(("world", "here", "expected"), [(1, 1, 63), (16, 8, 7), (64, 64, 1)])
def test_workers_share_the_cores_of_their_host(monkeypatch, world, here, expected):
    monkeypatch.setattr("tlf.data.workers.usable_cores", lambda: 64)
    monkeypatch.setenv("WORLD_SIZE", str(world))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(here))
    assert worker_count("auto", on_cpu=False) == expected


def test_more_workers_than_cores_can_serve_are_not_started(monkeypatch):
    monkeypatch.setattr("tlf.data.workers.usable_cores", lambda: 4)
    assert worker_count(32, on_cpu=True) == 32
    assert worker_count(3000, on_cpu=True) == 32
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert worker_count(3000, on_cpu=False) == 16


class Killed(torch.utils.data.Dataset):
    """A process that loads an image is killed."""

    def __init__(self, by):
        self.by = by

    def __len__(self):
        return 8

    def __getitem__(self, index):
        if not self.by:
            os._exit(3)
        os.kill(os.getpid(), self.by)


@pytest.mark.parametrize(
    ("by", "message"),
    [
        (signal.SIGKILL, "was killed, probably because the machine ran out of memory; write fewer"),
        (signal.SIGBUS, "too little shared memory; write workers = 0, or give the container more"),
        (signal.SIGSEGV, "a process that loads images was killed (Segmentation fault)"),
        (signal.SIGTERM, "a process that loads images was killed (Terminated)"),
        (0, "a process that loads images ended unexpectedly"),
    ],
)
def test_a_worker_that_is_lost(by, message):
    with pytest.raises(RuntimeError, match="DataLoader worker") as raised:
        next(iter(DataLoader(Killed(by), num_workers=1)))
    assert message in lost_worker(raised.value)


def test_a_worker_that_ends_without_an_exit_code_of_its_own_is_lost():
    """As after an interrupt: torch then names the process in other words, with no cause."""
    error = RuntimeError("DataLoader worker (pid(s) 4711, 4712) exited unexpectedly")
    assert lost_worker(error) == "a process that loads images ended unexpectedly"


def test_other_errors_are_no_lost_worker():
    assert lost_worker(RuntimeError("Caught ValueError in DataLoader worker process 0.")) is None


@pytest.mark.parametrize("kind", [ConnectionResetError, EOFError, FileNotFoundError])
def test_a_batch_that_cannot_be_received_means_a_lost_worker(kind):
    """As where a worker dies while it hands over a batch."""
    frame = {"__name__": "torch.utils.data.dataloader", "kind": kind}
    exec("def _try_get_data():\n    raise kind('lost')", frame)
    with pytest.raises(kind) as raised:
        frame["_try_get_data"]()
    assert lost_worker(raised.value) == "a process that loads images ended unexpectedly"
    assert lost_worker(kind("lost")) is None


class Slow(torch.utils.data.Dataset):
    """Takes a while for each image."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        time.sleep(0.1)
        return os.getpid()


def test_a_worker_outlives_a_sigterm_for_a_while(monkeypatch):
    monkeypatch.setattr(workers, "_GRACE", 60)
    batches = iter(DataLoader(Slow(), num_workers=1, worker_init_fn=begin_worker))
    os.kill(next(batches).item(), signal.SIGTERM)
    assert len([*batches]) == 5


def test_a_worker_ends_some_seconds_after_a_sigterm(monkeypatch):
    monkeypatch.setattr(workers, "_GRACE", 1)
    child = os.fork()
    if child == 0:
        begin_worker(0)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGALRM


def test_no_further_worker_raises_once_one_is_lost():
    before = signal.getsignal(signal.SIGCHLD)
    try:
        signal.signal(signal.SIGCHLD, lambda *_: pytest.fail("called"))
        forget_workers()
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_worker_leaves_a_ctrl_c_to_the_process_that_trains():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        begin_worker(0)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])
