"""What a tracker is told of a run, and what its faults do to the run."""

import tomllib
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest

from histories import epoch
from recipe_components import CATALOGUE, MINIMAL, OWN
from tlf.catalogue import Catalogue, Offer
from tlf.errors import RunError, StoppedError
from tlf.events import Notice
from tlf.recipe.files import resolve
from tlf.results import RunResult
from tlf.runs.tracking import tracking as module
from tlf.runs.tracking.note import read_note
from tlf.runs.tracking.tracking import Tracking, check_installed

HISTORY = tuple(epoch("head", number, eval_loss=1 - number / 8) for number in range(4))
RUNS = {}
"""Id → what the tracker knows of the run."""


@dataclass
class Opened:
    id: str
    fails: str
    figures: dict = field(default_factory=dict)
    outcome: str | None = None

    @property
    def last(self):
        return max(self.figures, default=0)

    def log(self, figures, step):
        if self.fails == f"log {step}":
            raise OSError("no space left")
        self.figures[step] = {**self.figures.get(step, {}), **figures}
        print("chatter")

    def end(self, outcome):
        self.outcome = outcome
        if self.fails == "end":
            raise OSError("the server is gone")


@dataclass(frozen=True)
class Memory:
    """Keeps figures in memory."""

    fails: str = ""
    packages = ("json", "xml.dom")

    def open(self, run):
        if self.fails == "open":
            raise ValueError("no such server")
        opened = replace(RUNS[run.id], fails=self.fails) if run.id else Opened(
            f"run-{len(RUNS)}", self.fails)  # fmt: skip
        RUNS[opened.id] = opened
        return opened


def tracking(fails="", memory=Memory):
    catalogue = Catalogue((*CATALOGUE.offers, Offer("tlf_trackers", "memory", memory, OWN)))
    content = {**tomllib.loads(MINIMAL), "output": "runs/mine", "tracking": {"kind": "memory"}}
    recipe = replace(resolve(content, catalogue), tracking=memory(fails))
    return Tracking(SimpleNamespace(recipe=recipe, plugins=SimpleNamespace(catalogue=catalogue)))


@pytest.fixture(autouse=True)
def same_note(monkeypatch):
    """How a tracker fails is no other tracker."""
    RUNS.clear()
    monkeypatch.setattr(Tracking, "_described", lambda self: {"kind": "memory"})


def whole(folder, end=HISTORY, stopped=None):
    return [*end, RunResult(str(folder), HISTORY[-1], HISTORY, 1.0, stopped)]


def notices(events):
    return [event.text for event in events if isinstance(event, Notice)]


def test_a_run_is_told_whole_and_what_a_tracker_prints_is_not_the_runs(tmp_path, capsys):
    told = tracking()
    told.begin(tmp_path)
    assert [*told.follow(whole(tmp_path))] == whole(tmp_path)
    (run,) = RUNS.values()
    assert [*run.figures] == [1, 2, 3, 4]
    assert [run.figures[step]["eval_loss"] for step in run.figures] == [1.0, 0.875, 0.75, 0.625]
    assert run.figures[4]["best/epoch"] == 4.0
    assert run.outcome == "finished"
    assert read_note(tmp_path, {"kind": "memory"}).epochs == 4
    assert "chatter" not in capsys.readouterr().out


def test_a_killed_run_is_taken_up_and_no_epoch_is_twice_or_missing(tmp_path):
    killed = tracking()
    killed.begin(tmp_path)
    [*killed.follow(HISTORY[:3])]  # and no end
    del RUNS["run-0"].figures[3]  # it was not written yet
    again = tracking()
    assert again.take_up(tmp_path, HISTORY[:1], changed=False) == ()
    logged = []
    again.tracker.log = lambda figures, step: logged.append(step)
    [*again.follow(whole(tmp_path, HISTORY[1:]))]
    assert logged == [3, 4, 4]
    assert [*RUNS] == ["run-0"]


def test_epochs_that_the_tracker_lacks_are_added(tmp_path):
    first = tracking("log 2")
    first.begin(tmp_path)
    events = [*first.follow(HISTORY[:3])]
    (said,) = notices(events)
    assert said == (
        'tracking.kind = "memory" failed: OSError: no space left; the run goes on without it, and '
        "metrics.jsonl in the run's folder has every epoch"
    )
    assert [event for event in events if not isinstance(event, Notice)] == [*HISTORY[:3]]
    again = tracking()
    assert again.take_up(tmp_path, HISTORY[:3], changed=True) == ()
    assert notices(again.follow(whole(tmp_path, HISTORY[3:]))) == []
    assert [*RUNS["run-0"].figures] == [1, 2, 3, 4]


def test_epochs_of_before_a_change_stay_in_a_run_of_their_own(tmp_path):
    first = tracking()
    first.begin(tmp_path)
    [*first.follow(HISTORY[:3])]
    again = tracking()
    (said,) = again.take_up(tmp_path, HISTORY[:1], changed=True)
    assert "before the change: it is given a new run" in said
    [*again.follow(whole(tmp_path, HISTORY[1:]))]
    assert [[*run.figures] for run in RUNS.values()] == [[1, 2, 3], [1, 2, 3, 4]]


def test_a_run_ends_although_its_tracker_fails_and_says_that_tracking_is_incomplete(tmp_path):
    told = tracking("log 3")
    told.begin(tmp_path)
    events = [*told.follow(whole(tmp_path))]
    assert len(notices(events)) == 2
    assert notices(events)[1].startswith("tracking is incomplete: tracking.kind = ")
    assert isinstance(events[-1], RunResult)
    ending = tracking("end")
    ending.begin(tmp_path)
    assert notices(ending.follow(whole(tmp_path))) == [
        'tracking is incomplete: tracking.kind = "memory" failed: OSError: the server is gone; '
        "metrics.jsonl in the run's folder has every epoch"
    ]


def test_a_new_run_does_not_begin_without_its_tracker_and_a_resumed_one_goes_on(tmp_path):
    with pytest.raises(RunError, match=r"can be opened, got ValueError: no such server; change"):
        tracking("open").begin(tmp_path)
    assert [*tmp_path.iterdir()] == []
    again = tracking("open")
    assert "the run goes on without it" in again.take_up(tmp_path, HISTORY[:1], changed=False)[0]
    assert notices(again.follow(whole(tmp_path)))[0].startswith("tracking is incomplete")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(RunError("broken"), "failed"), (StoppedError("f", "SIGTERM"), "stopped"), (None, "stopped")],
)
def test_a_tracker_hears_how_a_run_ended(tmp_path, error, outcome):
    def events():
        yield HISTORY[0]
        if error is not None:
            raise error

    with tracking() as told:
        told.begin(tmp_path)
        running = told.follow(events())
        next(running)
        if error is None:
            running.close()
        else:
            with pytest.raises(type(error)):
                next(running)
    assert RUNS["run-0"].outcome == outcome


def test_a_run_that_was_stopped_on_request_is_told_as_stopped(tmp_path):
    told = tracking()
    told.begin(tmp_path)
    [*told.follow(whole(tmp_path, stopped="by tlf stop"))]
    assert RUNS["run-0"].outcome == "stopped"


def test_what_fails_while_a_run_is_interrupted_is_a_note_of_the_error(tmp_path):
    told = tracking("end")
    told.begin(tmp_path)
    with pytest.raises(KeyboardInterrupt) as caught, told:
        raise KeyboardInterrupt
    assert caught.value.__notes__[0].startswith("tracking is incomplete: ")


def test_packages_that_are_not_installed_are_named(monkeypatch):
    check_installed(tracking().plan)
    monkeypatch.setattr(Memory, "packages", ("json", "not_there", "nor.this"))
    with pytest.raises(RunError) as caught:
        check_installed(tracking().plan)
    assert str(caught.value) == (
        'tracking.kind = "memory" must be installed, got no package not_there or nor.this; write '
        "pip install not_there nor.this, or leave [tracking] out"
    )


def test_a_recipe_without_a_tracker_tells_nothing(tmp_path):
    plan = tracking().plan
    plan.recipe = replace(plan.recipe, tracking=None)
    check_installed(plan)
    told = module.Tracking(plan)
    told.begin(tmp_path)
    assert told.take_up(tmp_path, HISTORY, changed=True) == ()
    assert [*told.follow(whole(tmp_path))] == whole(tmp_path)
    assert [*tmp_path.iterdir()] == []
