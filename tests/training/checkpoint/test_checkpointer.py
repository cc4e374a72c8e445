"""When the state of a run is stored."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from stopped_runs import write
from tlf.errors import StoppedError
from tlf.recipe.schema import CheckpointEvery
from tlf.results import Notice, Prepared, Progress, Updated
from tlf.runs.run import run
from tlf.training.checkpoint import checkpointer as module
from tlf.training.checkpoint.checkpointer import Checkpointer
from tlf.training.state import State


def updated(*, evaluating=False):
    return Updated("p", Progress(0, 1), evaluating=evaluating, done=1, images=1)


@pytest.fixture
def saved(monkeypatch):
    """The paths that states were stored under."""
    paths = []
    monkeypatch.setattr(module, "save", lambda path, job, state: paths.append(path))
    return paths


def checkpointer(accelerator=None, **every):
    accelerator = accelerator or SimpleNamespace(num_processes=1)
    recipe = SimpleNamespace(checkpoint_every=CheckpointEvery(**every))
    job = SimpleNamespace(recipe=recipe, accelerator=accelerator)
    return Checkpointer(Path("run"), job, State())


def test_the_state_is_stored_after_so_many_updates_of_training(saved):
    with checkpointer(updates=2) as keeper:
        counts = []
        for evaluating in (False, True, False, True, False, False):
            assert list(keeper.after(updated(evaluating=evaluating))) == []
            counts.append(len(saved))
    assert counts == [0, 0, 1, 1, 1, 2]
    assert {*saved} == {Path("run/resume/state.safetensors")}


def test_the_state_is_stored_after_so_many_seconds(saved, monkeypatch):
    moments = iter([100.0, 105.0, 110.0, 110.0, 111.0, 119.0, 120.0, 120.0])
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    with checkpointer(seconds=10.0) as keeper:
        counts = []
        for _ in range(5):
            assert list(keeper.after(updated())) == []
            counts.append(len(saved))
    assert counts == [0, 1, 1, 1, 2]


@pytest.mark.parametrize("event", [updated(), Prepared("images", 1, 2)], ids=["update", "prepare"])
def test_a_signal_stores_the_state_and_stops(saved, event):
    with checkpointer(seconds=1e9) as keeper:
        assert list(keeper.after(event)) == []
        os.kill(os.getpid(), signal.SIGTERM)
        assert list(keeper.after(Notice("between two updates"))) == saved == []
        with pytest.raises(StoppedError, match="stopped by SIGTERM"):
            list(keeper.after(event))
    assert len(saved) == 1


class OneOfTwo:
    """One of two processes, with what the other one wants."""

    num_processes, device = 2, torch.device("cpu")

    def __init__(self, *, due, stop):
        self.other = torch.tensor([due, stop], dtype=torch.int32)

    def reduce(self, tensor, reduction):
        assert reduction == "sum"
        return tensor + self.other


def test_all_processes_do_what_one_of_them_wants(saved):
    with checkpointer(OneOfTwo(due=False, stop=False), seconds=1e9) as keeper:
        assert list(keeper.after(updated())) == saved == []
    with checkpointer(OneOfTwo(due=True, stop=False), seconds=1e9) as keeper:
        assert list(keeper.after(updated())) == []
    assert len(saved) == 1
    with (
        checkpointer(OneOfTwo(due=False, stop=True), seconds=1e9) as keeper,
        pytest.raises(StoppedError, match="stopped by another process"),
    ):
        list(keeper.after(updated()))
    assert len(saved) == 2


def test_several_processes_do_not_stop_while_they_prepare(saved):
    """Each prepares its own part in its own time, so they cannot agree."""
    with checkpointer(OneOfTwo(due=True, stop=True), seconds=1e9) as keeper:
        os.kill(os.getpid(), signal.SIGTERM)
        assert list(keeper.after(Prepared("images", 1, 2))) == saved == []


def test_a_full_disk_leaves_the_last_state_and_the_run_continues(tmp_path, images, monkeypatch):
    from tlf.training.checkpoint import state_file as module

    path, output = write(tmp_path, images)
    save, calls = module.save_file, []

    def fails_once(tensors, side, metadata):
        calls.append(side)
        if len(calls) == 3:
            Path(side).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        save(tensors, side, metadata)

    monkeypatch.setattr(module, "save_file", fails_once)
    notices = [e.text for e in run(path) if isinstance(e, Notice)]
    assert any("No space left on device" in text for text in notices)
    assert (output / "model.safetensors").exists()
