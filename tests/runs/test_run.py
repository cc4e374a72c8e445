"""A run yields events in order, is repeatable, and can be resumed by its recipe."""

import tomllib

import pytest

from run_files import different_tensors, figures
from stopped_runs import HEAD_ALONE, stop_after, write
from tlf.errors import DataError, PluginError, RunError
from tlf.recipe.plan import load_recipe
from tlf.results import EpochResult, Notice, RunResult, SegmentStarted
from tlf.runs.run import RunStarted, resume
from tlf.runs.run import run as run_recipe


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


@pytest.mark.parametrize("stored", [True, False])
def test_a_plugin_that_fails_is_reported_with_how_to_resume(recipe, tmp_path, monkeypatch, stored):
    def fail(*_, **__):
        raise PluginError("plugin 'frail' failed")

    monkeypatch.setattr("tlf.runs.run.record_epoch", fail)
    often = ["checkpoint_every={updates=1}"] if stored else []
    with pytest.raises(PluginError) as raised:
        list(run_recipe(recipe, often))
    message, folder = str(raised.value), tmp_path / "run"
    assert message.startswith("plugin 'frail' failed")
    assert (
        f"when this is fixed, resume with: tlf resume {folder} --changed, or" in message
    ) == stored


LOST = RuntimeError("[…/gloo/transport/tcp/pair.cc:561] Connection closed by peer [10.0.0.2]:4")


@pytest.mark.parametrize("blamed", [False, True], ids=["by itself", "while a plugin computed"])
def test_a_lost_process_is_reported_with_how_to_resume(recipe, tmp_path, monkeypatch, blamed):
    def fail(*_, **__):
        if not blamed:
            raise LOST
        raise PluginError("plugin 'frail' failed") from LOST

    monkeypatch.setattr("tlf.runs.run.record_epoch", fail)
    with pytest.raises(RunError) as raised:
        list(run_recipe(recipe))
    assert str(raised.value) == (
        "another process of this run, at 10.0.0.2, has ended or cannot be reached: its own "
        f"messages may say why; resume with: tlf resume {tmp_path / 'run'}"
    )


def test_a_process_that_is_lost_before_training_leaves_no_folder(recipe, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise LOST

    monkeypatch.setattr("tlf.runs.run.open_job", fail)
    with pytest.raises(RunError, match=r"may say why; start all processes again$"):
        list(run_recipe(recipe))
    assert not (tmp_path / "run").exists()


def test_other_errors_keep_their_traceback(recipe, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr("tlf.runs.run.record_epoch", fail)
    with pytest.raises(RuntimeError, match=r"^mat1 and mat2"):
        list(run_recipe(recipe))


def test_a_run_of_relative_paths_is_resumed_from_anywhere_and_its_images_may_move(
    tmp_path, drawn, monkeypatch
):
    root = drawn(tmp_path / "images", 4, 2)
    path, output = write(tmp_path, root, text=HEAD_ALONE)
    relative = path.read_text().replace(f"{tmp_path}/", "")
    assert str(tmp_path) not in relative
    path.write_text(relative)
    monkeypatch.chdir(tmp_path)
    assert stop_after(path, 1).endswith(f"tlf resume {output}")
    (tmp_path / "far").mkdir()
    monkeypatch.chdir(tmp_path / "far")
    root.rename(tmp_path / "moved")
    with pytest.raises(DataError, match=f"there is no folder {root}; set data.root to"):
        list(resume("../recipe"))
    events = list(resume("../recipe", ["data.root=../moved"]))
    notes = [event.text for event in events if isinstance(event, Notice)]
    assert notes[0] == f"data.root was {root} and is {tmp_path / 'moved'}: it is the same"
    assert events[-1].folder == str(output)
    assert load_recipe(output / "recipe.toml").data.dataset.root == str(tmp_path / "moved")
    again = next(
        event for event in run_recipe(output / "recipe.toml") if isinstance(event, RunStarted)
    )
    assert again.folder == tmp_path / "recipe-2"
