"""Hooks at the start and the failure of a run, and after each update."""

import math
from types import ModuleType, SimpleNamespace

import pytest

from tlf.errors import NotFiniteError, PluginError, StoppedError
from tlf.events import Notice, Updated
from tlf.hookspecs import hookimpl
from tlf.runs.history import read_history
from tlf.runs.hooks import with_run_hooks
from tlf.runs.resume import resumed
from tlf.runs.run import run
from tlf.testing.tiny_run import UPDATES, tiny_plan


class Log(ModuleType):
    """A module that notes what its hooks get."""

    def __init__(self):
        super().__init__("log")
        self.heard, self.updates = [], []
        self.tlf_run_started = hookimpl(lambda folder, resumed: self.note(folder, resumed))
        self.tlf_run_failed = hookimpl(lambda folder, error: self.note(folder, error))
        self.tlf_run_ended = hookimpl(lambda result: self.note(result.folder, "ended"))
        self.tlf_update_ended = hookimpl(lambda result: self.updates.append(result))

    def note(self, *what):
        self.heard.append(what)


def stopped(events, updates):
    """Kill a run after so many updates."""
    for event in events:
        updates -= isinstance(event, Updated) and not event.evaluating
        if not updates:
            next(events)
            events.close()


def test_a_run_that_ends(tmp_path):
    log, folder = Log(), tmp_path / "run"
    [*_] = run(tiny_plan(folder, hooks=log))
    assert log.heard == [(str(folder), False), (str(folder), "ended")]
    assert len(log.updates) == UPDATES
    assert [(u.phase, u.epoch, u.update, u.images) for u in log.updates[2:5]] == [
        ("head", 0, 2, 12), ("head", 1, 0, 4), ("head", 1, 1, 8),
    ]  # fmt: skip
    assert {(u.updates, u.lr) for u in log.updates} == {(3, 0.1)}
    assert [u.loss is None for u in log.updates[:3]] == [True, False, False]


def test_what_a_hook_writes_into_results_does_not_reach_the_files(tmp_path):
    def clear(results):
        for result in results:
            for figures in (result.metrics, result.stages, result.train_metrics):
                figures.clear()

    hooks, folder = ModuleType("hooks"), tmp_path / "run"
    hooks.tlf_epoch_ended = hookimpl(lambda result: clear([result]))
    hooks.tlf_stop = hooks.tlf_select_best = hookimpl(lambda history: clear(history))
    *_, result = run(tiny_plan(folder, hooks=hooks))
    *_, plain = run(tiny_plan(tmp_path / "plain"))
    found = [(one.metrics, one.stages, one.train_metrics) for one in read_history(folder)]
    assert found == [(one.metrics, one.stages, one.train_metrics) for one in plain.history]
    assert (result.best.phase, result.best.epoch) == (plain.best.phase, plain.best.epoch)


def test_a_killed_run_has_not_failed_and_is_resumed(tmp_path):
    log, folder = Log(), tmp_path / "run"
    stopped(run(tiny_plan(folder, hooks=log)), 4)
    [*_] = resumed(folder, lambda: tiny_plan(folder, hooks=log))
    assert [what for _, what in log.heard] == [False, True, "ended"]
    assert [(u.epoch, u.update) for u in log.updates[3:5]] == [(1, 0), (1, 1)]


def events_with(error):
    yield "trains"
    raise error


class Job:
    """As much of a job as hooks need."""

    accelerator = SimpleNamespace(is_main_process=True)

    def __init__(self, plan):
        self.hook = plan.plugins.hook


def failing(log, tmp_path, error):
    """The events of a run that ends with an error; the last one is the error."""
    events, found = with_run_hooks(Job(tiny_plan(tmp_path / "run", hooks=log)), tmp_path,
                          events_with(error), resumed=False), []  # fmt: skip
    with pytest.raises(type(error)) as caught:
        found.extend(events)
    return [*found, caught.value]


@pytest.mark.parametrize("error", [NotFiniteError("nan"), MemoryError(), ValueError("a bug")])
def test_a_run_that_fails(error, tmp_path):
    log = Log()
    *_, raised = failing(log, tmp_path, error)
    assert raised is error
    assert log.heard[1] == (str(tmp_path), error)


def test_a_stop_is_no_failure(tmp_path):
    log = Log()
    failing(log, tmp_path, StoppedError(tmp_path, "SIGINT"))
    assert [what for _, what in log.heard] == [False]


def test_the_first_error_stays_where_the_hook_fails_too(tmp_path):
    log, error = Log(), NotFiniteError("the loss must be finite")
    log.tlf_run_failed = hookimpl(lambda error: math.nothing)
    _, notice, raised = failing(log, tmp_path, error)
    assert raised is error
    assert isinstance(notice, Notice)
    assert notice.text.startswith("plugin 'checked' (checked 0) failed in tlf_run_failed: Attribu")


def test_the_error_of_a_hook_names_its_plugin(tmp_path):
    log = Log()
    log.tlf_update_ended = hookimpl(lambda result: 1 / result.update)
    with pytest.raises(PluginError, match=r"'checked' \(checked 0\) failed in tlf_update_ended: Z"):
        [*_] = run(tiny_plan(tmp_path / "run", hooks=log))
    (_, error) = log.heard[-1]
    assert isinstance(error, PluginError)


def test_a_failure_after_the_end_does_not_ask_for_a_resume(tmp_path):
    log = Log()
    log.tlf_run_ended = hookimpl(lambda result: 1 / 0)
    with pytest.raises(PluginError, match=r"in tlf_run_ended: .*; the run has ended, and its mod"):
        [*_] = run(tiny_plan(tmp_path / "run", hooks=log))
