"""Formats of plugins: what they write is compared with the model, and their errors name them."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tlf.catalogue import Offer, Plugin
from tlf.errors import PluginError, TlfError
from tlf.exports import export as module
from tlf.exports.plugin_formats import as_format, plugin_format
from tlf.preprocessing import Preprocessing

KEPT = {}


@dataclass(frozen=True)
class Plain:
    file = "model.bin"

    def write(self, model, classes, preprocessing, path):
        path.write_text(",".join(classes))
        KEPT["model"] = model


@dataclass(frozen=True)
class Loaded(Plain):
    def load(self, path):
        return KEPT["model"]


@dataclass(frozen=True)
class Halved(Loaded):
    def load(self, path):
        return lambda images: KEPT["model"](images) / 2


@dataclass(frozen=True)
class Broken(Loaded):
    def write(self, model, classes, preprocessing, path):
        raise KeyError("opset")


@dataclass(frozen=True)
class Two(Plain):
    def write(self, model, classes, preprocessing, path):
        (path.parent / "notes.txt").write_text("")
        super().write(model, classes, preprocessing, path)


@dataclass(frozen=True)
class Features(Plain):
    def load(self, path):
        return lambda images: images


def format_of(cls):
    return as_format(Offer("tlf_exporters", "try:it", cls, Plugin("try", "tlf-try", "1.2")))


@pytest.fixture
def source():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).eval()
    return SimpleNamespace(classifier=SimpleNamespace(
        model=model, labels=("a", "b"), preprocessing=Preprocessing(2, 2),
    ))  # fmt: skip


def test_it_writes_and_loads_as_tlfs_own_formats_do(source, tmp_path):
    found = format_of(Loaded)
    path = tmp_path / found.file
    found.write(source, path)
    assert path.read_text() == "a,b"
    assert KEPT["model"] is not source.classifier.model
    images = torch.randn(3, 3, 2, 2)
    assert torch.equal(found.compute(source, path)(images), source.classifier.model(images))
    assert format_of(Plain).compute is None


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (Broken, r"'try:it' \(tlf-try 1.2\) failed in write: KeyError: 'opset' \(test_plugin_form"),
        (Two, r"'try:it' .*write must write one file, model.bin, got model.bin, notes.txt"),
        (Features, r"load must return what gives logits, a tensor \(3, 2\) for 3 images, got torc"),
    ],
)
def test_errors_name_the_plugin(cls, words, source, tmp_path):
    with pytest.raises(PluginError, match=words):
        computed(format_of(cls), source, tmp_path)


def computed(found, source, folder):
    path = folder / found.file
    found.write(source, path)
    return found.compute(source, path)(torch.randn(3, 3, 2, 2))


def test_the_file_of_a_run_is_compared_or_said_not_to_be(finished, tmp_path, monkeypatch):
    kinds = {"try:loaded": Loaded, "try:plain": Plain, "try:halved": Halved}
    monkeypatch.setattr(module, "plugin_format", lambda to: format_of(kinds[to]))
    loaded = module.export(finished, "try:loaded", tmp_path / "loaded.bin")
    plain = module.export(finished, "try:plain", tmp_path / "plain.bin")
    assert (loaded.loaded, plain.loaded) == (True, False)
    assert loaded.metrics == plain.metrics == loaded.run_metrics
    with pytest.raises(TlfError, match="the export's probabilities differ from the model's"):
        module.export(finished, "try:halved", tmp_path / "halved.bin")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loaded.bin", "plain.bin"]


def test_a_plugin_that_is_not_installed_is_named():
    with pytest.raises(PluginError, match="'nothing'"):
        plugin_format("nothing:here")
