"""``tlf resume`` resumes a run that was stopped, and refuses any other."""

import json
import shutil

import pytest

import tlf as package
from run_files import different_tensors, figures
from tlf.events import Updated


@pytest.fixture
def stopped(recipe, tmp_path):
    """A run that was stopped in its second epoch."""
    events = package.run(recipe, ["seed=4", "checkpoint_every={updates=1}"])
    next(event for event in events if isinstance(event, Updated) and event.phase == "all")
    next(events)  # the state of a step is stored before the next event
    events.close()
    return tmp_path / "run"


def test_it_finishes_the_run_and_shows_after_which_epoch(main, stopped, finished):
    code, out, err = main("resume", stopped)
    assert (code, err) == (0, "")
    assert out.splitlines()[-5].startswith("best ")
    assert f"run       {stopped}, resumed after 1 epoch\n" in out
    assert figures(stopped) == figures(finished)
    model = "model.safetensors"
    assert different_tensors(stopped / model, finished / model) == []


def test_a_run_that_has_ended_is_refused(main, finished):
    assert main("resume", finished) == (
        2, "", f"error: the run in {finished} has ended; there is nothing to resume. To train it "
        f"further, write: tlf resume {finished} phases.all.epochs=3\n"
    )  # fmt: skip


def test_changed_is_needed_if_the_images_are_others(main, stopped):
    path = stopped / "provenance.json"
    recorded = json.loads(path.read_text())
    recorded["data_sha256"]["train"] = "0" * 64
    path.write_text(json.dumps(recorded))
    code, _, err = main("resume", stopped)
    assert code == 2
    assert "the images of the train split" in err
    assert "--changed" in err
    assert main("resume", stopped, "--changed")[0] == 0


def test_without_a_stored_state_the_run_starts_again(main, stopped):
    shutil.rmtree(stopped / "resume")
    code, out, _ = main("resume", stopped)
    assert code == 0
    assert "note: the run was stopped before its first state was stored; it starts again" in out
    assert "resumed after" not in out
