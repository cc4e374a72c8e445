"""When the state of a run is stored."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from stopped_runs import write
from tlf.errors import StoppedError
from tlf.recipe.schema import CheckpointEvery
from tlf.results import Notice, Prepared, Progress, Updated
from tlf.runs.run import run
from tlf.training.checkpoint import checkpointer as module
from tlf.training.checkpoint.checkpointer import Checkpointer
from tlf.training.state import State


def updated(*, evaluating=False, synced=True):
    return Updated("p", Progress(0, 1), evaluating=evaluating, done=1, images=1, synced=synced)


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


def one_of_two(*, due=False, stop=False, **every):
    """One of two processes, with what the other one wants."""
    keeper = checkpointer(SimpleNamespace(num_processes=2), **every)
    keeper.job.summed = lambda values: [a + b for a, b in zip(values, (due, stop), strict=True)]
    return keeper


def test_all_processes_do_what_one_of_them_wants(saved):
    with one_of_two(seconds=1e9) as keeper:
        assert list(keeper.after(updated())) == saved == []
    with one_of_two(due=True, seconds=1e9) as keeper:
        assert list(keeper.after(updated())) == []
    assert len(saved) == 1
    with (
        one_of_two(stop=True, seconds=1e9) as keeper,
        pytest.raises(StoppedError, match="stopped by another process"),
    ):
        list(keeper.after(updated()))
    assert len(saved) == 2


def test_several_processes_only_agree_where_they_meet(saved):
    with one_of_two(due=True, stop=True, seconds=1e-9) as keeper:
        os.kill(os.getpid(), signal.SIGTERM)
        for evaluating in (False, True):
            assert list(keeper.after(updated(evaluating=evaluating, synced=False))) == saved == []
        with pytest.raises(StoppedError, match="stopped by SIGTERM"):
            list(keeper.after(updated(evaluating=True)))
    assert len(saved) == 1


def test_several_processes_count_updates_without_meeting(saved):
    with one_of_two(updates=2) as keeper:
        for _ in range(4):
            list(keeper.after(updated(synced=False)))
    assert len(saved) == 2


def test_one_process_stops_and_stores_anywhere(saved):
    with checkpointer(updates=1) as keeper:
        assert list(keeper.after(updated(synced=False))) == []
        assert len(saved) == 1
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(StoppedError, match="stopped by SIGTERM"):
            list(keeper.after(updated(synced=False)))


def test_several_processes_do_not_stop_while_they_prepare(saved):
    """Each prepares its own part in its own time, so they cannot agree."""
    with one_of_two(due=True, stop=True, seconds=1e9) as keeper:
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
