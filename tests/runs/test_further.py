"""A run that has ended is trained further, as if it had been so long from the start."""

from pathlib import Path

import pytest

from run_files import different_tensors, figures
from stopped_runs import stop_after, write
from tlf.errors import RecipeError, RunError
from tlf.events import Notice, Updated
from tlf.results import RunResult
from tlf.runs.folder import has_ended
from tlf.runs.resume import resume
from tlf.runs.run import run


def begun(folder, *overrides):
    """Resume a run up to its first update; return its notes."""
    notes, events = [], resume(folder, overrides)
    for event in events:
        notes += [event.text] if isinstance(event, Notice) else []
        if isinstance(event, Updated):
            break
    events.close()
    return notes


def test_more_epochs_give_what_they_would_have_given_at_once(recipe, tmp_path):
    often = ["seed=4", "phases.all.ema=0.9", "optimizer={kind='sgd', momentum=0.9}"]
    *_, short = run(recipe, often)
    *events, result = resume(short.folder, ["phases.all.epochs=4"])
    *_, whole = run(recipe, [*often, "phases.all.epochs=4", f"output={tmp_path}/whole"])
    assert figures(tmp_path / "run") == figures(tmp_path / "whole")
    assert len(result.history) == 5
    for name in ("model.safetensors", "head.safetensors", "resume/state.safetensors"):
        assert different_tensors(tmp_path / "run" / name, tmp_path / "whole" / name) == []
    for name in ("predictions.csv", "segments.jsonl", "recipe.toml"):
        one, other = ((tmp_path / run / name).read_text() for run in ("run", "whole"))
        assert one == other.replace(str(tmp_path / "whole"), str(tmp_path / "run"))
    assert not [e for e in events if isinstance(e, Notice) and "anew" in e.text]
    assert isinstance(whole, RunResult)


def test_a_rate_curve_that_was_finished_is_drawn_anew(recipe):
    *_, short = run(recipe, ["phases.all.scheduler=cosine", "phases.all.epochs=2"])
    notes = begun(short.folder, "phases.all.epochs=4", "precision=bf16")
    assert "precision was auto and is bf16" in notes  # like every key that is given
    assert (
        "all: the rate curve is drawn anew over 4 epochs: the last update had 0.067 × lr, the next "
        "one has 0.5 × lr"
    ) in notes


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["phases.all.epochs=1"], "phases.1.epochs must be at least 2, which are trained, got 1"),
        (["phases.head.epochs=2"], "phases.0.epochs was 1 and is 2, but phase head has ended, and "
                                   "all has started from its best epoch"),
        (["output=elsewhere"], "elsewhere, but a run stays in its folder"),
        (["monitor=eval_loss"], "monitor was eval_top1 and is eval_loss, but the best epoch so far "
                                "was chosen by it"),
        (["metrics=macro-f1"], "metrics.0 was not set and is macro-f1, but a run keeps its metric"),
        (["transforms.size=40", "transforms.resize=44"], "transforms.size was 32 and is 40, but"),
        (["transforms.std=[0.1, 0.1, 0.1]"], "but the best epoch so far was measured on images"),
        (["backbone.model=test_resnet"], "backbone.model was test_resnet.r160_in1k and is tes"),
        (["loss=focal"], "loss.kind was cross-entropy and is focal, but the losses so far were"),
        (["loss.label_smoothing=0.1"], "but the losses so far were measured by it"),
        (["phases.all.lr=0.1"], "has nothing to train: phase all has trained its 2 epochs; write "
                                "phases.1.epochs=3 or more"),
        (["head=cosine"], "the backbone, the head or the number of classes is another: head.bias"),
    ],
)  # fmt: skip
def test_what_cannot_change_is_refused(run_copy, overrides, told):
    files = {path.name: path.stat().st_mtime_ns for path in run_copy.iterdir()}
    with pytest.raises(RunError) as caught:
        list(resume(run_copy, overrides))
    assert told in str(caught.value)
    assert {path.name: path.stat().st_mtime_ns for path in run_copy.iterdir()} == files


def test_a_phase_that_early_stopping_ended_needs_more_patience(recipe):
    never = ["monitor=train_loss", "phases.all.early_stopping={patience=1, min_delta=1e6}"]
    *_, short = run(recipe, [*never, "phases.all.epochs=9"])
    assert len(short.history) == 3
    told = r"early_stopping has ended phase all after 2 epochs; write phases\.1\.early_stopping"
    with pytest.raises(RunError, match=told):
        list(resume(short.folder, ["phases.all.epochs=12"]))
    folder = Path(short.folder)
    assert has_ended(folder)
    begun(folder, "phases.all.early_stopping.patience=2")  # and killed before it has stored a state
    assert not has_ended(folder)
    *_, further = resume(folder)
    assert len(further.history) == 4
    assert has_ended(folder)


@pytest.mark.parametrize("change", ["phases.1.augment=none", "cache.views=2", "phases.1.lr=0.1"])
def test_an_epoch_that_is_augmented_in_two_ways_is_noted(tmp_path, images, change):
    path, folder = write(tmp_path, images)
    stop_after(path, 7)
    told = [note for note in begun(folder, change) if "augmented" in note]
    expected = "thaw: images are augmented in another way from update 3 of epoch 1 on"
    assert told == ([] if "lr" in change else [expected])


def test_without_a_state_a_new_run_starts_from_the_best_model(recipe, tmp_path):
    *_, short = run(recipe, ["keep_state=false"])
    folder = tmp_path / "run"
    assert not (folder / "resume").exists()
    files = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    for given, told in {
        "phases.all.epochs=2": "has nothing to train: phase all has trained its 2 epochs",
        "phases.head.epochs=5": "phases.0.epochs cannot change: the phase has ended",
    }.items():
        with pytest.raises(RunError, match=told):
            list(resume(folder, [given]))
    for given in ("phases.all.epochs=x", "phases.all=3", "phases=3", "phases=[]", "phases={}"):
        with pytest.raises(RecipeError, match=r"recipe\.toml: 1 problem\n  phases"):
            list(resume(folder, [given]))
    still = ["phases.all.epochs=3", "phases.all.lr=1e-9", "phases.all.freeze=backbone"]
    *events, more = resume(folder, still)
    note = next(event.text for event in events if isinstance(event, Notice))
    assert note.startswith(f"the run in {folder} has no state to go on from. A new run starts from")
    assert (more.folder, [r.epoch for r in more.history]) == (f"{folder}-2", [0])
    assert more.best.eval_loss == pytest.approx(short.best.eval_loss, abs=1e-3)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == files
