"""Where the numbers of a run's files come from: the images that calibrate it are not trained on."""

import shutil

import pytest
import torch

from generators import exhausted
from run_files import different_tensors, metrics
from small import TWO_PHASES, write_recipe
from tlf.events import Updated
from tlf.inference.metadata import read_metadata
from tlf.inference.predict import load_classifier
from tlf.recipe.plan import read_plan
from tlf.runs.record import opened
from tlf.runs.resume import resume
from tlf.runs.run import run
from tlf.training.best_epoch import BestEpoch
from tlf.training.calibration.predictions import calibration_predictions
from tlf.training.evaluation import Predictions
from tlf.training.state import State

HELD_OUT = f"calibration = 0.3\ncoverage = 0.8\n{TWO_PHASES}"


@pytest.fixture(scope="module")
def held_out(tmp_path_factory, images):
    """A run that holds 6 of its 20 train images out; the epochs' images, and its folder."""
    folder = tmp_path_factory.mktemp("held out")
    path = write_recipe(folder / "recipe.toml", images, HELD_OUT)
    events = list(run(path))
    return path, {e.images for e in events if isinstance(e, Updated) and not e.evaluating}


def test_they_are_never_trained_on(held_out, images):
    path, trained = held_out
    assert trained == {14}
    assert [line["updates"] for line in metrics(path.parent / "run")] == [2, 2, 2]
    job, _ = exhausted(opened(read_plan(path)))
    assert len(job.held_out) == 6
    assert any("6 of 20 train images are held out" in note for note in job.splits.notes)
    found = read_metadata(path.parent / "run/head.safetensors").calibration
    assert (found.source, found.images, found.coverage) == ("calibration", 6, 0.8)
    classifier = load_classifier(path.parent / "run")
    paths = [images / job.splits.train.names[index] for index in sorted(job.held_out)]
    own = [
        one.probabilities[path.parent.name]
        for one, path in zip(classifier.predict(paths), paths, strict=True)
    ]
    assert found.threshold == pytest.approx(sorted(own)[0], abs=1e-5)  # ceil(7 × 0.8) = 6 of 6


@pytest.mark.slow
def test_what_they_hold_changes_no_bit_of_the_training(held_out, tmp_path, images):
    """Other pixels under the same names give the same weights."""
    path, _ = held_out
    job, _ = exhausted(opened(read_plan(path)))
    other = shutil.copytree(images, tmp_path / "images")
    names = [job.splits.train.names[index] for index in sorted(job.held_out)]
    for name in names:
        shutil.copy(images / "val/circles/odd.jpg", other / name)
    list(run(write_recipe(tmp_path / "recipe.toml", other, HELD_OUT)))
    model = "run/model.safetensors"
    assert different_tensors(path.parent / model, tmp_path / model) == []


@pytest.mark.slow
def test_a_resumed_run_calibrates_as_one_that_was_not_stopped(held_out, tmp_path, images):
    text = f"checkpoint_every = {{ updates = 1 }}\n{HELD_OUT}"
    events = run(write_recipe(tmp_path / "recipe.toml", images, text))
    for event in events:
        if isinstance(event, Updated) and not event.evaluating and event.phase == "all":
            break
    events.close()
    list(resume(tmp_path / "run"))
    for name in ("model.safetensors", "head.safetensors"):
        one, other = held_out[0].parent / "run" / name, tmp_path / "run" / name
        assert one.read_bytes() == other.read_bytes()


def test_by_default_they_are_the_eval_split(job):
    best = Predictions(torch.ones(2, 2), torch.zeros(2))
    state = State(best=BestEpoch(None, {}, best))
    assert exhausted(calibration_predictions(job, state))[0] == ("eval", best)
