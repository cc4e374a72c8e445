"""Exports, each loaded by the library that it is for, without tlf's own readers."""

import importlib.util
import json
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file
from torchvision import models

import tlf as package
from run_files import predictions
from small import write_recipe
from tlf.cli import main as cli
from tlf.errors import DataError, RunError, TlfError, WeightsError
from tlf.exports import export as module
from tlf.exports.parity import read_sample

needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="onnx is not installed: pip install 'tlf[onnx]'",
)


@pytest.fixture
def run(finished, tmp_path):
    """A finished run of its own for each test."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def prepared(finished, images):
    """The eval images, prepared, and what the run said about them."""
    rows = predictions(finished)
    classifier = package.load_classifier(finished)
    expected = [[float(row["p_circles"]), float(row["p_squares"])] for row in rows]
    paths = [images / row["path"] for row in rows]
    return classifier.prepare(paths).contiguous(), torch.tensor(expected)


def alike(logits, expected):
    torch.testing.assert_close(logits.softmax(1), expected, atol=5e-6, rtol=0)


def test_the_sample_is_what_the_run_saw(finished, prepared):
    sample = read_sample(finished, package.load_classifier(finished))
    assert torch.equal(sample.images, prepared[0])
    assert torch.equal(sample.probabilities, prepared[1])
    assert sample.labels.tolist() == [0] * 6 + [1] * 5
    assert sample.difference(sample.probabilities + 0.25) == pytest.approx(0.25)
    assert sample.evaluate(torch.eye(2)[sample.labels]) == {"top1": 1.0}


def test_timms_own_loader_takes_it(run, prepared):
    found = package.export(run, "timm")
    assert found.path == str(run / "exports" / "timm.safetensors")
    assert found.images == 11
    assert found.difference < 5e-6
    assert found.metrics == found.run_metrics
    model = timm.create_model("test_resnet", num_classes=2, checkpoint_path=found.path).eval()
    with torch.inference_mode():
        alike(model(prepared[0]), prepared[1])


def test_torchvisions_own_model_takes_it(tmp_path, images):
    text = """
[backbone]
kind = "torchvision"
weights = "none"
[[phases]]
name = "all"
epochs = 1
lr = 0.01
"""
    *_, result = package.run(write_recipe(tmp_path / "tv.toml", images, text))
    found = package.export(result.folder, "torchvision", tmp_path / "mine.safetensors")
    model = models.resnet18(num_classes=2)
    model.load_state_dict(load_file(tmp_path / "mine.safetensors"))
    sample = read_sample(Path(result.folder), package.load_classifier(result.folder))
    with torch.inference_mode():
        alike(model.eval()(sample.images), sample.probabilities)
    assert found.path == str(tmp_path / "mine.safetensors")
    with pytest.raises(WeightsError, match="'torchvision', whose tensors timm does not know"):
        package.export(result.folder, "timm")


@pytest.mark.parametrize("to", ["head", "model"])
def test_the_runs_own_files(run, to):
    found = package.export(run, to)
    written = Path(found.path).read_bytes()
    assert written == (run / f"{to}.safetensors").read_bytes()


def test_torch_loads_the_program_without_pickle(run, prepared):
    found = package.export(run, "torch-export")
    extra = {"tlf.json": ""}
    program = torch.export.load(found.path, extra_files=extra)
    assert json.loads(extra["tlf.json"])["classes"] == ["circles", "squares"]
    with torch.inference_mode():
        for count in (1, 2, 11):
            alike(program.module()(prepared[0][:count]), prepared[1][:count])
    with zipfile.ZipFile(found.path) as archive:
        pickled = [name for name in archive.namelist() if name.endswith((".pt", ".pkl"))]
        # torch keeps a place for pickled sample inputs; nothing is in it.
        assert [archive.read(name) for name in pickled] in ([b""], [])


@needs_onnx
def test_onnxruntime_runs_the_graph(run, prepared):
    import onnxruntime

    found = package.export(run, "onnx")
    session = onnxruntime.InferenceSession(found.path)
    about = json.loads(session.get_modelmeta().custom_metadata_map["tlf"])
    assert about["classes"] == ["circles", "squares"]
    assert about["preprocessing"]["size"] == 32
    for count in (1, 2, 11):
        (logits,) = session.run(["logits"], {"images": prepared[0][:count].numpy()})
        alike(torch.from_numpy(logits), prepared[1][:count])
    assert [path.name for path in (run / "exports").iterdir()] == ["model.onnx"]


@needs_onnx
def test_eight_bits_within_the_margin_or_not_at_all(run, prepared, monkeypatch):
    import onnx

    found = package.export(run, "onnx", int8=True, margin=1.0)
    graph = onnx.load(found.path)
    kinds = {node.op_type for node in graph.graph.node}
    assert "QuantizeLinear" in kinds
    assert onnx.TensorProto.INT8 in {tensor.data_type for tensor in graph.graph.initializer}
    assert "tlf" in {item.key for item in graph.metadata_props}
    assert Path(found.path).stat().st_size < (run / "model.safetensors").stat().st_size / 2
    monkeypatch.setattr(
        "tlf.exports.parity.Sample.evaluate",
        lambda self, p: {"top1": float(p is self.probabilities)},
    )
    with pytest.raises(WeightsError, match=r"8 bits cost 100\.00% of top-1 on 11 images"):
        package.export(run, "onnx", run / "small.onnx", int8=True)
    assert not list(run.glob("*small.onnx*"))


def test_packages_that_are_missing_are_named(run, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RunError, match=r"onnx, onnxscript is not installed; .*tlf\[onnx\]"):
        package.export(run, "onnx")


def test_what_differs_is_not_written(run, monkeypatch):
    real = module.FORMATS["timm"].compute
    wrong = lambda source, path: lambda prepared: real(source, path)(prepared) * 1.5  # noqa: E731
    changed = {
        "timm": module.FORMATS["timm"].__class__(
            "timm.safetensors", module.FORMATS["timm"].write, wrong
        )
    }
    monkeypatch.setattr(module, "FORMATS", changed)
    with pytest.raises(WeightsError, match="gives other probabilities than the model in torch"):
        package.export(run, "timm")
    assert not list((run / "exports").iterdir())


def test_a_run_that_is_not_what_its_predictions_say(run):
    table = run / "predictions.csv"
    rows = table.read_text().splitlines()
    rows[1] = ",".join([*rows[1].split(",")[:3], "0.900000", "0.100000"])
    table.write_text("\n".join(rows) + "\n")
    with pytest.raises(WeightsError, match=r"than the run's predictions\.csv"):
        package.export(run, "model")
    table.write_text(table.read_text().replace("val/circles/001.jpg", "val/circles/gone.jpg"))
    with pytest.raises(DataError, match=r"gone\.jpg is no longer where the run found it"):
        package.export(run, "model")
    table.unlink()
    with pytest.raises(RunError, match=r"there is no .*predictions\.csv"):
        package.export(run, "model")


def test_nothing_is_replaced_without_being_told(run):
    path = Path(package.export(run, "head").path)
    path.write_bytes(b"mine")
    with pytest.raises(RunError, match="is there; write --overwrite"):
        package.export(run, "head")
    assert path.read_bytes() == b"mine"
    package.export(run, "head", overwrite=True)
    assert path.read_bytes() == (run / "head.safetensors").read_bytes()


def test_requests_that_make_no_sense(run, tmp_path):
    with pytest.raises(TlfError, match="no format 'onxx'; did you mean 'onnx'"):
        package.export(run, "onxx")
    with pytest.raises(TlfError, match="8 bits are for ONNX"):
        package.export(run, "timm", int8=True)
    with pytest.raises(RunError, match="cannot write"):
        package.export(run, "head", tmp_path / "no" / "folder" / "head.safetensors")
    with pytest.raises(RunError, match="name the folder of a run"):
        package.export(tmp_path, "head")


def test_heads_that_the_library_has_no_place_for(recipe):
    *_, result = package.run(recipe, ["head=mlp", "phases.all.epochs=1"])
    with pytest.raises(WeightsError, match="a 'mlp' head has no place in the library's own model"):
        package.export(result.folder, "timm")


def test_the_command_prints_the_difference(run, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["tlf", "export", str(run), "--to", "timm"])
    assert cli.main() == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{run}/exports/timm.safetensors\n11 images of the run: probabilities")
