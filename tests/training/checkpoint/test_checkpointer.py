"""When the state of a run is stored."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from stopped_runs import write
from tlf.errors import StoppedError
from tlf.events import Notice, PhaseEnded, Prepared, Updated
from tlf.recipe.schema import CheckpointEvery
from tlf.results import Progress
from tlf.runs.run import run
from tlf.training.checkpoint import checkpointer as module
from tlf.training.checkpoint.checkpointer import Checkpointer
from tlf.training.checkpoint.requests import ask
from tlf.training.state import State


def updated(*, evaluating=False, synced=True):
    return Updated("p", Progress(0, 1), evaluating=evaluating, done=1, images=1, synced=synced)


@pytest.fixture
def saved(monkeypatch):
    """The paths that states were stored under."""
    paths = []
    monkeypatch.setattr(module, "save", lambda path, job, state: paths.append(path))
    return paths


def checkpointer(processes=1, folder="run", keep_state=True, wish=None, **every):
    recipe = SimpleNamespace(
        checkpoint_every=CheckpointEvery(**every), keep_state=keep_state, monitor="eval_top1",
        phases=[SimpleNamespace(epochs=2)],
    )  # fmt: skip
    job = SimpleNamespace(
        recipe=recipe,
        accelerator=SimpleNamespace(num_processes=processes, is_main_process=True),
        hook=SimpleNamespace(tlf_stop=Mock(return_value=wish)),
    )
    return Checkpointer(Path(folder), job, State())


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


def one_of_two(*, due=False, stop=False, asked=False, **every):
    """One of two processes, with what the other one wants."""
    keeper, other = checkpointer(2, **every), (due, stop, asked)
    keeper.job.summed = lambda values: [a + b for a, b in zip(values, other, strict=True)]
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


def test_a_request_stores_the_state_and_is_noted(saved, tmp_path):
    with checkpointer(seconds=1e9, folder=tmp_path) as keeper:
        assert list(keeper.after(updated())) == saved == []
        ask(tmp_path)
        for event in (updated(synced=False), Notice("between two updates")):
            assert list(keeper.after(event)) == saved == []
        assert list(keeper.after(updated(evaluating=True))) == []
        assert (keeper.request, len(saved)) == ("tlf stop", 1)


def test_a_plugin_asks_in_one_process_and_all_of_them_know(saved, monkeypatch):
    monkeypatch.setattr(module, "gathered", lambda wish: [wish, "it is late"])
    with one_of_two(asked=True, seconds=1e9) as keeper:
        assert list(keeper.after(updated(synced=False))) == saved == []
        list(keeper.after(updated()))
        assert (keeper.request, len(saved)) == ("it is late", 1)


def test_a_run_that_has_trained_all_of_its_epochs_is_asked_nothing(saved):
    with checkpointer(seconds=1e9, wish="enough") as keeper:
        keeper.state.epoch = 2
        list(keeper.after(updated()))
        assert keeper.request is None
        keeper.state.epoch = 1
        list(keeper.after(updated()))
        assert keeper.request == "enough"


def test_a_reason_is_one_line_that_is_not_too_long(saved):
    with checkpointer(seconds=1e9, wish="two\n lines " + 500 * "a") as keeper:
        list(keeper.after(updated()))
        assert keeper.request == "two lines " + 190 * "a"


@pytest.mark.parametrize("keep_state", [True, False])
def test_the_state_says_that_the_last_phase_has_ended(monkeypatch, keep_state):
    said = []
    monkeypatch.setattr(module, "save", lambda path, job, state: said.append(state.ended))
    with checkpointer(seconds=1e-9, keep_state=keep_state) as keeper:
        list(keeper.after(PhaseEnded("p")))  # of an earlier phase
        assert said == []
        keeper.state.epoch = 2
        list(keeper.after(updated(evaluating=True)))  # the state of this epoch is due
        keeper.state.ended = True
        list(keeper.after(PhaseEnded("p")))
        assert said == [False, True][: 1 + keep_state]


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
