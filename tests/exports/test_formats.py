"""Each format, loaded by the library that it is for, without tlf's own readers."""

import dataclasses
import json
import zipfile
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file
from torch import nn
from torchvision import models

import tlf as package
from run_files import predictions
from small import needs_onnx
from tlf.errors import RunError, WeightsError
from tlf.exports import export
from tlf.exports.formats import Source, write_onnx, write_plain, write_torch_export
from tlf.exports.parity import read_sample
from tlf.inference.metadata import read_metadata


@pytest.fixture
def prepared(finished, images):
    """The eval images, prepared, and the run's probabilities."""
    rows = predictions(finished)
    classifier = package.load_classifier(finished)
    expected = [[float(row["p_circles"]), float(row["p_squares"])] for row in rows]
    paths = [images / row["path"] for row in rows]
    return classifier.prepare(paths).contiguous(), torch.tensor(expected)


def alike(logits, expected):
    torch.testing.assert_close(logits.softmax(1), expected, atol=5e-6, rtol=0)


def test_timms_own_loader_takes_it(run_copy, prepared):
    found = package.export(run_copy, "timm")
    assert found.path == str(run_copy / "exports" / "timm.safetensors")
    assert found.images == 11
    assert found.difference < 5e-6
    assert found.metrics == found.run_metrics
    model = timm.create_model("test_resnet", num_classes=2, checkpoint_path=found.path).eval()
    with torch.inference_mode():
        alike(model(prepared[0]), prepared[1])


def test_torchvisions_own_model_takes_it(finished_torchvision, tmp_path):
    path = tmp_path / "mine.safetensors"
    exported = package.export(finished_torchvision, "torchvision", path)
    model = models.resnet18(num_classes=2)
    model.load_state_dict(load_file(path))
    sample = read_sample(finished_torchvision, package.load_classifier(finished_torchvision))
    with torch.inference_mode():
        alike(model.eval()(sample.images), sample.probabilities)
    assert exported.path == str(path)
    with pytest.raises(WeightsError, match="--to timm needs a backbone of timm, got 'torchvision'"):
        package.export(finished_torchvision, "timm")


@pytest.mark.parametrize("to", ["head", "model"])
def test_head_and_model_are_copies_of_the_runs_files(run_copy, to):
    found = package.export(run_copy, to)
    written = Path(found.path).read_bytes()
    assert written == (run_copy / f"{to}.safetensors").read_bytes()


def test_torch_loads_the_program_without_pickle(run_copy, prepared):
    found = package.export(run_copy, "torch-export")
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
def test_onnxruntime_runs_the_graph(run_copy, prepared):
    import onnxruntime

    found = package.export(run_copy, "onnx")
    session = onnxruntime.InferenceSession(found.path)
    about = json.loads(session.get_modelmeta().custom_metadata_map["tlf"])
    assert about["classes"] == ["circles", "squares"]
    assert about["preprocessing"]["size"] == 32
    for count in (1, 2, 11):
        (logits,) = session.run(["logits"], {"images": prepared[0][:count].numpy()})
        alike(torch.from_numpy(logits), prepared[1][:count])
    assert [path.name for path in (run_copy / "exports").iterdir()] == ["model.onnx"]


def test_missing_packages_are_named(run_copy, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RunError, match=r"onnx, onnxscript are not installed; .*tlf\[onnx\]"):
        package.export(run_copy, "onnx")


def test_the_librarys_own_model_needs_a_linear_head_with_a_bias(finished, tmp_path):
    classifier = package.load_classifier(finished)
    metadata = read_metadata(finished / "model.safetensors")
    other = dataclasses.replace(metadata, head={"kind": "mlp"})
    with pytest.raises(WeightsError, match=r"the head must be 'linear' .*, got 'mlp'; write --to"):
        write_plain(Source(finished, classifier, other), tmp_path / "a")
    classifier.model.head.bias = None
    with pytest.raises(WeightsError, match="the head must have a bias"):
        write_plain(Source(finished, classifier, metadata), tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_run_with_another_head_is_refused_before_anything_is_written(run_copy, monkeypatch):
    metadata = read_metadata(run_copy / "model.safetensors")
    other = dataclasses.replace(metadata, head={"kind": "mlp"})
    monkeypatch.setattr(export, "read_metadata", lambda path: other)
    with pytest.raises(WeightsError, match="the head must be 'linear'"):
        package.export(run_copy, "timm")
    assert not list((run_copy / "exports").iterdir())


class Counting(nn.Module):
    """A head that computes with the number of images."""

    def forward(self, features):
        return features[:, :2] / len(features)


@pytest.mark.parametrize("write", [write_torch_export, write_onnx])
def test_a_model_that_torch_cannot_trace_is_one_line(finished, tmp_path, write):
    classifier = package.load_classifier(finished)
    classifier.model.head = Counting()
    source = Source(finished, classifier, read_metadata(finished / "model.safetensors"))
    with pytest.raises(WeightsError, match=r"^--to .* it cannot trace this one: .+; write --to m"):
        write(source, tmp_path / "a")


def test_a_network_whose_classifier_is_another_is_refused(finished, tmp_path):
    classifier = package.load_classifier(finished)
    classifier.model.backbone = type("SqueezeNet", (nn.Module,), {})()
    source = Source(finished, classifier, read_metadata(finished / "model.safetensors"))
    with pytest.raises(
        WeightsError, match="must load a file with a linear head, and its classifier cuts"
    ):
        write_plain(source, tmp_path / "a")
