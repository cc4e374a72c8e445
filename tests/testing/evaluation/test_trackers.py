from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tlf.testing import check_tracker

LOGGED = {}


@dataclass
class Opened:
    id: str
    last: int

    def log(self, figures, step):
        self.last = LOGGED[self.id] = step

    def end(self, outcome):
        pass


@dataclass(frozen=True)
class Kept:
    """Keeps the last step."""

    def open(self, run):
        return Opened(run.folder, LOGGED.get(run.folder, 0))


@dataclass(frozen=True)
class Anew(Kept):
    """Wants all epochs again."""

    def open(self, run):
        return Opened(run.folder, 0)


@dataclass(frozen=True)
class Forgets(Kept):
    """Does not know the last step again."""

    def open(self, run):
        return Opened(run.folder, run.logged and 1)


@dataclass(frozen=True)
class Renames(Kept):
    """Calls a run otherwise when it is taken up."""

    def open(self, run):
        return replace(super().open(run), id=f"{Path(run.folder).name}-{run.epochs}")


@dataclass(frozen=True)
class Breaks(Kept):
    """Cannot be opened."""

    def open(self, run):
        raise OSError("no server")


def test_a_tracker_that_knows_its_runs_again_is_sound():
    check_tracker(Kept())
    check_tracker(Anew())


@pytest.mark.parametrize(
    ("tracker", "problem"),
    [
        (Forgets(), "says that its last step is 1 where it is 2"),
        (Renames(), "says that its last step is 0 where it is 2|calls the run 'run-2'"),
        (Breaks(), "fails in open: OSError: no server"),
    ],
)
def test_other_trackers_are_not(tracker, problem):
    with pytest.raises(AssertionError, match=problem):
        check_tracker(tracker)
