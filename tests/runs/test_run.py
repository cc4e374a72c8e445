"""What a run leaves behind: every file, checked against something that is not tlf."""

import hashlib
import json
import sys
import tomllib
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from torch.nn import functional
from torchvision import models
from torchvision.transforms import v2

import tlf as package
from run_files import different_tensors, figures, metrics, predictions
from small import TWO_PHASES, write_recipe
from tlf.cli import main as cli
from tlf.results import EpochResult, RunResult, SegmentStarted, epoch_line
from tlf.runs.folder import new_run_folder
from tlf.runs.run import RunStarted
from tlf.runs.run import run as run_recipe

FILES = {
    "head.safetensors",
    "metrics.jsonl",
    "model.safetensors",
    "predictions.csv",
    "segments.jsonl",
    "provenance.json",
    "recipe.toml",
}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory, images):
    root = tmp_path_factory.mktemp("run")
    return write_recipe(root / "small.toml", images, "seed = 4\n" + TWO_PHASES)


@pytest.fixture(scope="module")
def events(recipe):
    """Everything that a run tells."""
    return list(run_recipe(recipe))


@pytest.fixture(scope="module")
def folder(events):
    return next(event.folder for event in events if isinstance(event, RunStarted))


def train(recipe, *overrides):
    """Run a recipe; give the folder that it made."""
    return next(e.folder for e in list(run_recipe(recipe, overrides)) if isinstance(e, RunStarted))


def card(path):
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["tlf"])


def prepared(root, row, preprocessing):
    """An image as torchvision's transforms prepare it."""
    chain = v2.Compose(
        [
            v2.Resize(
                preprocessing["resize"],
                v2.InterpolationMode(preprocessing["interpolation"]),
                antialias=True,
            ),
            v2.CenterCrop(preprocessing["size"]),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(preprocessing["mean"], preprocessing["std"]),
        ]
    )
    return chain(Image.open(root / row["path"]).convert("RGB"))


def check_predictions(model, folder, images):
    """What another library's model makes of the images is what the run wrote down."""
    rows, preprocessing = predictions(folder), card(folder / "model.safetensors")["preprocessing"]
    inputs = torch.stack([prepared(images, row, preprocessing) for row in rows])
    with torch.inference_mode():
        found = model.eval()(inputs).softmax(1)
    written = torch.tensor([[float(r["p_circles"]), float(r["p_squares"])] for r in rows])
    torch.testing.assert_close(found, written, atol=2e-5, rtol=0)


def test_every_file_and_no_other(folder):
    assert {path.name for path in folder.iterdir()} == FILES
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in folder.iterdir())


def test_what_a_run_tells_in_order(events, folder):
    told = [
        e for e in events if isinstance(e, RunStarted | SegmentStarted | EpochResult | RunResult)
    ]
    kinds = [type(event).__name__ for event in told]
    epochs = ["EpochResult"]
    assert kinds == [
        "RunStarted",
        *("SegmentStarted", *epochs),
        *("SegmentStarted", *epochs, *epochs),
        "RunResult",
    ]
    result = told[-1]
    assert result.folder == str(folder)
    assert result.history == tuple(e for e in told if isinstance(e, EpochResult))
    assert result.best in result.history
    assert result.best.eval_top1 == max(e.eval_top1 for e in result.history)


def test_a_line_of_metrics_for_each_epoch(events, folder):
    lines = metrics(folder)
    assert [(line["phase"], line["epoch"]) for line in lines] == [
        ("head", 0),
        ("all", 0),
        ("all", 1),
    ]
    assert lines == [json.loads(json.dumps(epoch_line(e))) for e in events[-1].history]
    assert [line["updates"] for line in lines] == [3, 3, 3]  # 20 images in batches of 8
    assert [line["lr"] for line in lines] == [0.1, 0.01, 0.01]


def test_predictions_are_of_the_best_epoch(events, folder, images):
    rows = predictions(folder)
    best = events[-1].best
    expected = {
        f"val/{path.parent.name}/{path.name}": path.parent.name for path in images.glob("val/*/*")
    }
    assert {row["path"]: row["label"] for row in rows} == expected
    right = sum(row["label"] == row["predicted"] for row in rows)
    assert right / len(rows) == pytest.approx(best.eval_top1, abs=1e-12)
    losses = [-torch.tensor(float(row[f"p_{row['label']}"])).log() for row in rows]
    assert sum(losses) / len(losses) == pytest.approx(best.eval_loss, abs=1e-5)


def test_the_recipe_has_every_default_and_is_enough_to_run_again(folder, recipe):
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


def test_another_seed_gives_another_model(folder, recipe, tmp_path):
    other = train(recipe, "seed=5", f"output={tmp_path / 'other'}", "phases.1.epochs=1")
    assert different_tensors(folder / "model.safetensors", other / "model.safetensors")


def test_timm_loads_the_model_and_agrees(folder, images):
    model = timm.create_model(
        "test_resnet.r160_in1k",
        num_classes=2,
        checkpoint_path=str(folder / "model.safetensors"),
    )
    check_predictions(model, folder, images)


def test_torchvision_loads_the_model_and_agrees(recipe, images, tmp_path):
    backbone = "backbone={kind='torchvision', model='resnet18', weights='none'}"
    overrides = [backbone, "phases.1.epochs=1", f"output={tmp_path / 'run'}"]
    folder = train(recipe, *overrides)
    model = models.resnet18(num_classes=2)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    check_predictions(model, folder, images)


def test_the_heads_golden_pair_in_plain_torch(folder):
    tensors = load_file(folder / "head.safetensors")
    features, logits = tensors["golden.features"], tensors["golden.logits"]
    own = functional.linear(features, tensors["weight"], tensors["bias"])
    assert features.shape[0] == 1
    torch.testing.assert_close(own, logits, atol=1e-6, rtol=1e-6)
    assert logits.abs().sum() > 0
    first = predictions(folder)[0]
    written = torch.tensor([[float(first["p_circles"]), float(first["p_squares"])]])
    torch.testing.assert_close(logits.softmax(1), written, atol=2e-5, rtol=0)


def test_head_and_model_say_what_they_are(events, folder):
    for name in ("head.safetensors", "model.safetensors"):
        found = card(folder / name)
        assert found["classes"] == ["circles", "squares"]
        assert found["head"]["kind"] == "linear"
        assert found["backbone"]["kind"] == "timm"
        assert found["backbone"]["model"] == "test_resnet.r160_in1k"
        assert len(found["backbone"]["sha256"]) == 64
        assert (found["preprocessing"]["size"], found["preprocessing"]["resize"]) == (32, 36)
        assert found["metrics"]["eval_top1"] == events[-1].best.eval_top1
        assert found["tlf"] == package.__version__
    head, model = load_file(folder / "head.safetensors"), load_file(folder / "model.safetensors")
    assert torch.equal(head["weight"], model["fc.weight"])
    assert torch.equal(head["bias"], model["fc.bias"])


def test_provenance(folder, images):
    found = json.loads((folder / "provenance.json").read_text())
    assert found["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert found["versions"]["tlf"] == package.__version__
    assert found["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert [plugin["name"] for plugin in found["plugins"]] == ["tlf"]
    assert found["images"] == {"train": 20, "eval": 11}
    assert len(found["backbone_sha256"]) == 64
    assert found["hardware"]["device"].startswith("CPU")
    assert {"git_revision", "notes"} <= found.keys()
    total = hashlib.sha256()
    for label, name in enumerate(("circles", "squares")):
        for path in sorted((images / "val" / name).iterdir()):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"val/{name}/{path.name}\t{label}\t{content}\n".encode())
    assert found["data_sha256"]["eval"] == total.hexdigest()
    assert found["data_sha256"]["train"] != total.hexdigest()


def test_runs_are_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [str(new_run_folder(output)) for output in ("a/b", "a/b", "a/b/", "a/b")]
    assert names == ["a/b", "a/b-2", "a/b-3", "a/b-4"]
    assert new_run_folder(".") == tmp_path.with_name(f"{tmp_path.name}-2")


def test_loading_in_two_processes_changes_nothing(tlf, recipe, tmp_path):
    shared = [recipe, "phases.1.epochs=1", "transforms.augment=crop-flip"]
    done = tlf(*shared, "workers=2", f"output={tmp_path / 'two'}")
    assert done.returncode == 0, done.stderr
    alone = train(*shared, "workers=0", f"output={tmp_path / 'alone'}")
    assert figures(tmp_path / "two") == figures(alone)
    two = tmp_path / "two"
    assert different_tensors(two / "model.safetensors", alone / "model.safetensors") == []


def test_what_a_person_sees(recipe, tmp_path, monkeypatch, capsys):
    output = tmp_path / "seen"
    arguments = [recipe, f"output={output}", "phases.1.epochs=1"]
    monkeypatch.setattr(sys, "argv", ["tlf", *map(str, arguments)])
    assert cli.main() == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert f"run       {output}" in out
    assert "images  20 to train on, 11 to evaluate on: circles, squares" in out
    assert out.count("top-1") == 3  # two epochs and the best
    assert f"model     {output / 'model.safetensors'}" in out
    assert f"try it    tlf predict {output}" in out
    assert Path(output).is_dir()
