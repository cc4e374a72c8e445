"""A head is joined to the backbone that it was trained on, and to no other."""

from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from torch import nn

import tlf as package
from small import write_recipe
from small_heads import F, K, backbone, metadata_of, written
from tlf.errors import WeightsError
from tlf.heads import AttentionPool, Linear
from tlf.inference.attach import described
from tlf.inference.head import load_head
from tlf.inference.model_files import backbone_sha256, save_head
from tlf.model import Classifier


@pytest.fixture
def path(tmp_path):
    return tmp_path / "head.safetensors"


def test_a_head_accepts_its_own_backbone_and_no_other(path):
    classifier, _ = written(path, Linear())
    head = load_head(path)
    images = torch.randn(4, 3, 8, 8)
    attached = head.attach(backbone())
    with torch.inference_mode():
        assert torch.equal(attached.model(images), classifier(images))
    assert attached.labels == head.labels
    assert attached.precision == "no"
    with pytest.raises(WeightsError) as caught:
        head.attach(backbone(seed=5))
    told = str(caught.value)
    assert f"timm tiny (SHA-256 {head.backbone['sha256'][:12]}" in told
    other = backbone_sha256(
        Classifier(backbone(seed=5), nn.Identity(), {"a": ("0.weight", "0.bias")})
    )
    assert f"this Sequential (SHA-256 {other[:12]}" in told
    moved = backbone()
    with torch.no_grad():
        moved[0].bias[3] += 1e-6
    with pytest.raises(WeightsError, match="not on this Sequential"):
        head.attach(moved)


@pytest.mark.parametrize("thing", [3, None, "resnet18"], ids=repr)
def test_what_is_no_module_is_refused(path, thing):
    written(path, Linear())
    with pytest.raises(WeightsError) as caught:
        load_head(path).attach(thing)
    kind = type(thing).__name__
    expected = f"the backbone must be a torch.nn.Module, got {kind}; give timm tiny (SHA-256 "
    assert str(caught.value).startswith(expected)


def test_a_backbone_that_still_has_its_classifier(path):
    written(path, Linear())
    whole = nn.Sequential()
    for name, child in backbone().named_children():
        whole.add_module(name, child)
    whole.add_module("fc", nn.Linear(F, 10))
    with pytest.raises(WeightsError, match=r"; write fc = torch.nn.Identity\(\)$"):
        load_head(path).attach(whole)


def test_another_architecture_is_named_with_the_one_to_build(tmp_path):
    """A network that the weights cannot fit is not advised to load them."""
    resnet = torchvision.models.resnet18()
    published = resnet.fc
    resnet.fc = nn.Identity()
    named = [name for name, _ in resnet.named_parameters()]
    torch.manual_seed(1)
    classifier = Classifier(resnet, nn.Linear(512, K), {"all": named})
    about = metadata_of(classifier, Linear(), "linear")
    backbone_told = {**about.backbone, "kind": "torchvision", "model": "resnet18"}
    about = replace(about, num_features=512, backbone=backbone_told)
    save_head(tmp_path / "head.safetensors", classifier, about, torch.randn(1, 512))
    head = load_head(tmp_path / "head.safetensors")
    instead = "build resnet18, and load the run's model.safetensors into it"

    def told(module):
        before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        training = [part.training for part in module.modules()]
        with pytest.raises(WeightsError, match="trained on torchvision resnet18 ") as caught:
            head.attach(module)
        assert training == [part.training for part in module.modules()]
        assert all(torch.equal(before[name], t) for name, t in module.state_dict().items())
        return str(caught.value).partition("; ")[2]

    whole = torchvision.models.resnet50()
    for wider in (whole, timm.create_model("resnet50", num_classes=0)):
        assert told(wider) == (
            f"this is another architecture: it must give 512 features, got 2048; {instead}"
        )
    vit = timm.create_model("vit_tiny_patch16_224", num_classes=0)
    unknown = "if it is resnet18, load the weights of the run, model.safetensors, into it; "
    assert told(vit).startswith(unknown)  # which takes no images of 8 × 8
    assert told(timm.create_model("resnet34", num_classes=0)).startswith(unknown)
    for own in (published, nn.Sequential(nn.Dropout(), nn.Linear(512, 2))):
        resnet.fc = own
        assert told(resnet).endswith("; write fc = torch.nn.Identity()")


def test_it_computes_in_the_precision_of_its_run(path):
    classifier, features = written(path, Linear())
    metadata = replace(metadata_of(classifier, Linear(), "linear"), precision="bf16")
    save_head(path, classifier, metadata, features)
    assert load_head(path).attach(backbone()).precision == "bf16"


def test_a_head_that_pools_needs_maps(path):
    written(path, AttentionPool(heads=4))
    with pytest.raises(WeightsError, match="has no forward_features"):
        load_head(path).attach(backbone())


def test_published_weights_stay_what_they_are_under_a_frozen_backbone(tmp_path, images):
    """Then an app needs no model.safetensors: the head knows torchvision's own by its hash."""
    torch.manual_seed(3)
    published = torchvision.models.resnet18()
    from safetensors.torch import save_file

    save_file(published.state_dict(), tmp_path / "resnet18.safetensors")
    text = f"""
[backbone]
kind = "torchvision"
weights = "{tmp_path}/resnet18.safetensors"
[[phases]]
name = "probe"
freeze = "backbone"
epochs = 1
lr = 0.1
"""
    *_, result = package.run(write_recipe(tmp_path / "probe.toml", images, text))
    head = package.load_head(Path(result.folder) / "head.safetensors")
    with pytest.raises(WeightsError, match=r"write fc = torch.nn.Identity\(\)"):
        head.attach(published)
    published.fc = nn.Identity()
    image = images / "val" / "circles" / "000.jpg"
    found = head.attach(published).predict(image)
    assert found.probabilities == pytest.approx(
        package.load_classifier(result.folder).predict(image).probabilities, abs=1e-6
    )


def test_described_names_what_there_is():
    assert described({"kind": "mine:net", "sha256": "c" * 64}).startswith("mine:net (SHA")
