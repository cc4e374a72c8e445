"""A run that is asked to stop ends with its best model, and goes on as if it had not been."""

import threading

import pytest

from run_files import different_tensors, figures, metrics
from tlf.errors import RunError, StoppedError
from tlf.events import Notice, Updated
from tlf.recipe.plan import read_plan
from tlf.results import EpochResult
from tlf.runs import stop as module
from tlf.runs.folder import RunStarted
from tlf.runs.resume import resume
from tlf.runs.run import run
from tlf.runs.stop import stop
from tlf.training.checkpoint.requests import ask, is_asked


class Asking:
    """A plugin that asks for the end once the run has so many epochs."""

    def __init__(self, epochs):
        self.epochs = epochs

    def tlf_stop(self, history):
        return "the price is paid" if len(history) == self.epochs else None


def asking(recipe, epochs, *overrides):
    from tlf.hookspecs import hookimpl

    plan = read_plan(recipe, ["seed=4", *overrides])
    plugin = Asking(epochs)
    plugin.tlf_stop = hookimpl(plugin.tlf_stop.__func__).__get__(plugin)
    plan.plugins.manager.register(plugin)
    return plan


def asked_at(events, folder, wanted):
    """The events of a run that somebody asks to stop after the first one that is wanted."""
    seen = []
    for event in events:
        if not is_asked(folder) and wanted(event) and not any(map(wanted, seen)):
            ask(folder)
        seen.append(event)
    return seen


def in_second_phase(event):
    return isinstance(event, Updated) and event.phase == "all" and event.progress.update == 0


def test_a_stopped_run_has_its_best_model_and_goes_on_bit_for_bit(recipe, tmp_path, finished):
    folder = tmp_path / "run"
    asked_at(run(recipe, ["seed=4"]), folder, in_second_phase)
    ask(folder)  # is left behind, and stops nobody
    resumed = asked_at(resume(folder), folder, lambda e: isinstance(e, EpochResult))
    *_, result = resumed
    assert result.stopped == "stopped on request after epoch 1 of 2 of phase all: tlf stop"
    assert [line.get("stopped") for line in metrics(folder)] == [None, result.stopped]
    assert not is_asked(folder)
    *_, result = resume(folder)
    assert result.stopped is None
    assert figures(folder) == figures(finished)
    for name in ("model.safetensors", "head.safetensors"):
        assert different_tensors(folder / name, finished / name) == []
    for name in ("predictions.csv", "segments.jsonl"):
        assert (folder / name).read_bytes() == (finished / name).read_bytes()


def test_before_the_first_evaluation_the_model_is_evaluated_as_it_is(recipe, tmp_path):
    folder = tmp_path / "run"
    events = asked_at(run(recipe), folder, lambda e: isinstance(e, Updated))
    result = events[-1]
    assert result.stopped == "stopped on request in epoch 1 of 1 of phase head: tlf stop"
    notes = [e.text for e in events if isinstance(e, Notice)]
    assert f"no epoch is evaluated yet: the model after {result.best.updates} updates is" in notes
    assert [(line["epoch"], line["updates"] >= 1) for line in metrics(folder)] == [(0, True)]
    assert (folder / "model.safetensors").is_file()
    events = resume(folder, ["checkpoint_every={updates=1}"])
    for event in events:
        if in_second_phase(event):
            break
        assert (folder / "model.safetensors").is_file()
    next(events)  # the state is stored, which has a better model
    assert not (folder / "model.safetensors").exists()
    assert not (folder / "predictions.csv").exists()
    events.close()
    assert [line["updates"] for line in metrics(folder)] == [3]


def test_before_the_first_update_there_is_no_model(recipe, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(StoppedError, match="before its first update, so there is no model; resume"):
        asked_at(
            run(recipe, [f"cache.dir={tmp_path}"]), folder, lambda e: isinstance(e, RunStarted)
        )
    assert not (folder / "model.safetensors").exists()


def test_a_plugin_ends_a_run_and_its_reason_is_written(recipe, tmp_path):
    *_, result = run(asking(recipe, 1, "batch_size=4"))
    said = "stopped on request after epoch 1 of 1 of phase head: the price is paid"
    assert (result.stopped, metrics(tmp_path / "run")[-1]["stopped"]) == (said, said)


def test_a_plugin_that_asks_after_the_last_epoch_changes_nothing(recipe):
    *_, result = run(asking(recipe, 3))
    assert result.stopped is None


def test_stop_waits_for_the_end(recipe, tmp_path, main):
    folder, found = tmp_path / "run", []
    events = run(recipe, ["phases.all.epochs=200"])
    waiting = threading.Thread(target=lambda: found.append(stop(folder, 60)))
    for event in events:
        if isinstance(event, EpochResult) and not waiting.ident:
            waiting.start()
            while not is_asked(folder):
                pass
    waiting.join(60)
    assert found == [event.stopped]
    assert found[0].endswith(": tlf stop")
    code, _, err = main("stop", folder)
    assert code == 2
    assert err.startswith(f"error: the run in {folder} is not running; it was stopped ")
    code, out, _ = main("history", folder)
    assert out.splitlines()[-1] == event.stopped


def test_a_run_that_does_not_end_is_named_and_the_request_stays(recipe, tmp_path):
    folder = tmp_path / "run"
    events = run(recipe)
    for event in events:
        if isinstance(event, Updated):
            break
    with pytest.raises(
        RunError, match=r"\(process \d+, host .*\) has not ended within 0.01 seconds"
    ):
        stop(folder, 0.01)
    assert is_asked(folder)
    *_, result = events
    assert result.stopped


def test_what_does_not_run_is_not_stopped(finished, tmp_path, main):
    code, _, err = main("stop", finished)
    assert (code, err) == (2, f"error: the run in {finished} has ended; there is nothing to stop\n")
    with pytest.raises(RunError, match="is not the folder of a run; write one, such as runs/mine"):
        stop(tmp_path)
    for name in ("recipe.toml", "provenance.json"):
        (tmp_path / name).write_text("")  # killed before it had a state or a model
    with pytest.raises(RunError, match=r"is not running. Go on with: tlf resume \S+$"):
        stop(tmp_path)


def test_a_folder_that_cannot_be_written_to(run_copy, monkeypatch):
    monkeypatch.setattr(module, "who_runs", lambda folder: "process 1, host there")
    monkeypatch.setattr(module, "ask", lambda folder: (run_copy / "no" / "stop").touch())
    with pytest.raises(RunError, match=r"cannot ask the run in .* to stop: No such file"):
        stop(run_copy)
