from dataclasses import FrozenInstanceError

import pytest

from tlf.trackers import TrackedRun


def test_a_run_is_new_to_its_tracker_unless_it_has_an_id():
    run = TrackedRun("/runs/mine", "mine", {"seed": 0})
    assert (run.id, run.epochs, run.logged) == (None, 0, 0)
    with pytest.raises(FrozenInstanceError):
        run.id = "other"
