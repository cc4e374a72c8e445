import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from tlf.errors import RunError, WeightsError
from tlf.inference.metadata import Metadata, read_metadata
from tlf.inference.model_files import (
    backbone_sha256,
    load_model,
    recorded_eval_images,
    save_head,
    save_model,
)
from tlf.model import Classifier
from tlf.preprocessing import Preprocessing


@pytest.fixture
def classifier():
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Classifier(backbone, nn.Linear(4, 2), {"stem": ("0.weight", "0.bias")})


@pytest.fixture
def card(classifier):
    return Metadata(
        classes=("ants", "bees"),
        preprocessing=Preprocessing(size=32, resize=36),
        head={"kind": "linear"},
        backbone={"kind": "torchvision", "sha256": backbone_sha256(classifier)},
        classifier="fc",
        num_features=4,
        metrics={"eval_top1": 0.5},
        plugins={},
        tlf="0.1.0",
    )


def test_a_model_comes_back_bit_for_bit(tmp_path, classifier, card):
    path = tmp_path / "model.safetensors"
    save_model(path, classifier, card)
    assert set(load_file(path)) == {"0.weight", "0.bias", "fc.weight", "fc.bias"}
    before = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
    for parameter in classifier.parameters():
        nn.init.zeros_(parameter)
    load_model(path, classifier)
    for name, tensor in classifier.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert read_metadata(path) == card


def test_the_head_stands_by_itself_with_a_golden_pair(tmp_path, classifier, card):
    path = tmp_path / "head.safetensors"
    save_head(path, classifier, card, torch.randn(1, 4))
    tensors = load_file(path)
    logits = tensors["golden.features"] @ tensors["weight"].T + tensors["bias"]
    assert torch.allclose(logits, tensors["golden.logits"], atol=1e-6)
    with safe_open(path, framework="pt") as file:
        told = json.loads(file.metadata()["tlf"])
    assert told["classes"] == ["ants", "bees"]
    assert told["format"] == 3
    assert told["task"] == "single-label"
    assert told["preprocessing"]["size"] == 32
    assert told["preprocessing"]["mode"] == "RGB"
    assert told["num_features"] == 4
    assert told["backbone"]["sha256"] == backbone_sha256(classifier)


def test_nothing_is_left_when_writing_fails(tmp_path, classifier, card):
    path = tmp_path / "gone" / "model.safetensors"
    with pytest.raises(RunError, match="cannot write"):
        save_model(path, classifier, card)
    assert not list(tmp_path.rglob("*.safetensors*"))


def test_files_that_cannot_be_read(tmp_path, classifier, card):
    path = tmp_path / "model.safetensors"
    with pytest.raises(RunError, match="there is no"):
        read_metadata(path)
    save_file({"a": torch.ones(1)}, path)
    with pytest.raises(WeightsError, match="was not written by tlf"):
        read_metadata(path)
    save_model(path, classifier, card)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(WeightsError, match="is damaged"):
        read_metadata(path)


def test_a_newer_format_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    text = json.dumps({"format": 99, "tlf": "9.0"})
    save_file({"a": torch.ones(1)}, path, metadata={"tlf": text})
    with pytest.raises(RunError, match=r"written by tlf 9\.0; upgrade"):
        read_metadata(path)


def test_weights_of_another_shape_are_refused(tmp_path, classifier, card):
    path = tmp_path / "model.safetensors"
    save_model(path, classifier, card)
    classifier.head = nn.Linear(4, 3)
    with pytest.raises(WeightsError, match="does not fit"):
        load_model(path, classifier)


@pytest.mark.parametrize("text", [None, "", "[]", "[" * 9999, "{}", '{"data_sha256": {"eval": 3}}'])
def test_eval_images_that_no_run_has_recorded_are_unknown(tmp_path, text):
    if text is not None:
        (tmp_path / "provenance.json").write_text(text)
    assert recorded_eval_images(tmp_path) is None
