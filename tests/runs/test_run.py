"""A run yields events in order, and is repeatable."""

import tomllib
from dataclasses import replace
from pathlib import Path

from run_files import different_tensors, figures
from tlf.checks.check import check
from tlf.components import Split
from tlf.events import SegmentStarted
from tlf.recipe.plan import find_splits
from tlf.results import EpochResult, RunResult
from tlf.runs.folder import RunStarted, read_provenance
from tlf.runs.run import run as run_recipe
from tlf.testing.tiny_run import tiny_plan


def train(recipe, *overrides):
    """Run a recipe; return its folder."""
    return next(e.folder for e in list(run_recipe(recipe, overrides)) if isinstance(e, RunStarted))


def test_events_come_in_order(finished_events, finished):
    events = [
        e
        for e in finished_events
        if isinstance(e, RunStarted | SegmentStarted | EpochResult | RunResult)
    ]
    names = [type(event).__name__ for event in events]
    epochs = ["EpochResult"]
    assert names == [
        "RunStarted",
        *("SegmentStarted", *epochs),
        *("SegmentStarted", *epochs, *epochs),
        "RunResult",
    ]
    result = events[-1]
    assert result.folder == str(finished)
    assert result.history == tuple(e for e in events if isinstance(e, EpochResult))
    assert result.best in result.history
    assert result.best.eval_top1 == max(e.eval_top1 for e in result.history)


def test_the_recipe_has_every_default_and_is_enough_to_repeat_the_run(finished):
    folder = finished
    resolved = tomllib.loads((folder / "recipe.toml").read_text())
    assert resolved["seed"] == 4
    assert resolved["head"]["kind"] == "linear"
    assert resolved["optimizer"]["kind"] == "sgd"
    assert resolved["phases"][1]["freeze"]
    assert resolved["phases"][0]["scheduler"]
    again = train(folder / "recipe.toml")
    assert again == folder.with_name("run-2")
    assert figures(again) == figures(folder)
    for name in ("model.safetensors", "head.safetensors"):
        assert different_tensors(folder / name, again / name) == []
    for name in ("predictions.csv", "segments.jsonl", "recipe.toml"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_another_seed_gives_another_model(finished, recipe, tmp_path):
    other = train(recipe, "seed=5", f"output={tmp_path / 'other'}", "phases.1.epochs=1")
    assert different_tensors(finished / "model.safetensors", other / "model.safetensors")


def test_loading_in_two_processes_changes_nothing(tlf, recipe, tmp_path):
    shared = [recipe, "phases.1.epochs=1", "transforms.augment=crop-flip"]
    done = tlf(*shared, "workers=2", f"output={tmp_path / 'two'}")
    assert done.returncode == 0, done.stderr
    alone = train(*shared, "workers=0", f"output={tmp_path / 'alone'}")
    assert figures(tmp_path / "two") == figures(alone)
    two = tmp_path / "two"
    assert different_tensors(two / "model.safetensors", alone / "model.safetensors") == []


def never(index):
    """Whoever opens a test image has seen it."""
    raise AssertionError("a test image was opened")


def test_no_run_opens_the_test_split(tmp_path):
    plan = tiny_plan(tmp_path / "run")
    test = Split(("t0.png", "t1.png"), (0, 1), never)
    plan = replace(plan, splits=replace(find_splits(plan), test=test))
    *_, result = run_recipe(plan)
    record = read_provenance(Path(result.folder))
    assert record["images"] == {"train": 12, "eval": 6, "test": 2}
    assert len(record["test_sha256"]) == 64
    assert "test" not in record["data_sha256"]
    lenient = {"bad_images": "skip", "missing_in_eval": "allow", "unknown_in_eval": "skip"}
    recipe = replace(plan.recipe, data=replace(plan.recipe.data, **lenient))
    *_, found = check(replace(plan, recipe=recipe))
    assert "test      2 images: not looked at, so that no decision sees them" in str(found)
