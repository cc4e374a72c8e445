"""The contract of a tracker."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from accelerate import PartialState

from tlf.testing.contract import check_options, raising_only, require
from tlf.trackers import OpenTracker, TrackedRun, Tracker

HOOK = "tlf_trackers"
FIGURES = {"train_loss": 0.5, "eval_loss": 0.25, "stages/head/lr": 0.1}


def check_tracker(tracker: Tracker) -> None:
    """Check that a tracker keeps its contract. It really writes, so its options should name a place
    that may be written to.

    Its options survive a recipe. A new run has an id and no step. A run that is taken up again has
    the same id, and its last step is the last one that was logged, or 0, where it wants all again.
    A run can end in each way, and the next one can begin.

    Raises:
        AssertionError: it breaks the contract; names the problem and the rule.
    """
    check_options(tracker, HOOK)
    PartialState()  # a run has it, and Accelerate's trackers need it
    with TemporaryDirectory() as folder:
        (Path(folder) / "run").mkdir()
        run = TrackedRun(f"{folder}/run", "run", {"seed": 0, "phases.0.lr": 0.1})
        first = _told(tracker, run, 0, 2)
        again = replace(run, id=first.id, epochs=2, logged=2)
        second = _told(tracker, again, 2, 3)
        require(
            first.id == second.id,
            tracker,
            f"calls the run {second.id!r} after a stop, and {first.id!r} before it",
            "its id finds the run again",
        )
        with raising_only(tracker, "open and end"):
            tracker.open(replace(again, epochs=3, logged=3)).end("failed")


def _told(tracker: Tracker, run: TrackedRun, last: int, until: int) -> OpenTracker:
    """Open a run whose last step is known, and log more."""
    with raising_only(tracker, "open"):
        opened = tracker.open(run)
    require(
        isinstance(opened.id, str) and bool(opened.id),
        tracker,
        f"opens a run with the id {opened.id!r}",
        "its id is a text that is stored in the run's folder",
    )
    require(
        opened.last in (0, last),
        tracker,
        f"says that its last step is {opened.last} where it is {last}",
        "no epoch is logged twice, and none is left out",
    )
    with raising_only(tracker, "log and end"):
        for step in range(opened.last + 1, until + 1):
            opened.log(FIGURES, step)
        opened.end("stopped" if last == 0 else "finished")
    return opened
