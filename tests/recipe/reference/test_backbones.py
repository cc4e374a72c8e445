"""The networks that a recipe can name."""

import json

import pytest
import timm
from torchvision import models

from tlf.errors import TlfError
from tlf.plugins.loading import load_plugins
from tlf.recipe.files import resolve
from tlf.recipe.reference import backbones as module
from tlf.recipe.reference.backbones import counted, find_backbones, list_backbones


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TLF_CACHE", str(tmp_path))


def test_counts_are_those_of_the_networks_themselves():
    for one in list_backbones("test_re*"):
        network = timm.create_model(one.model)
        assert one.parameters == sum(p.numel() for p in network.parameters()), one.model
    (vision,) = list_backbones("squeezenet1_1")
    network = models.squeezenet1_1()
    assert vision.parameters == sum(p.numel() for p in network.parameters())
    assert (vision.size, round(vision.accuracy, 3)) == (224, 0.582)


def test_a_network_is_counted_once(monkeypatch, tmp_path):
    (first,) = list_backbones("test_resnet")
    monkeypatch.setattr(module, "_count", lambda model: 1 / 0)
    assert [*list_backbones("test_resnet")] == [first]
    (stored,) = tmp_path.glob("parameters-timm-*.json")
    assert json.loads(stored.read_text()) == {"test_resnet": first.parameters}
    stored.write_text('{"test_resnet": "many", "other": ')
    with pytest.raises(ZeroDivisionError):
        [*list_backbones("test_resnet")]


def test_a_network_that_cannot_be_built_has_no_count(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("needs another package")

    monkeypatch.setattr(timm, "create_model", fail)
    (one,) = counted(find_backbones("test_vit"))
    assert one.parameters is None
    assert [*list_backbones("test_vit", max_params=10**12)] == []


@pytest.mark.parametrize(
    ("pattern", "kinds", "some"),
    [
        ("resnet18", ["torchvision", "timm"], {"resnet18"}),
        ("vision_transformer", ["torchvision", "timm"], {"vit_b_16", "vit_tiny_patch16_224"}),
        ("regnet_x_*", ["torchvision"], {"regnet_x_400mf"}),
        ("tiny_patch16_224", ["timm"], {"vit_tiny_patch16_224", "deit_tiny_patch16_224"}),
    ],
)
def test_a_pattern_is_a_name_a_family_a_pattern_or_a_part(pattern, kinds, some):
    found = find_backbones(pattern)
    assert [*dict.fromkeys(one.kind for one in found)] == kinds
    assert some <= {one.model for one in found}


def test_nothing_of_a_name():
    with pytest.raises(TlfError, match="no network is called 'resnt18'; did you mean 'resnet18'"):
        find_backbones("resnt18")


def test_names_are_those_of_recipes():
    catalogue, every = load_plugins([]).catalogue, find_backbones()
    assert len(every) == len(timm.list_models()) + len(models.list_models(module=models))
    for one in (every[0], every[-1]):
        written = one.usage.removeprefix("backbone = ")
        assert written == f'{{ kind = "{one.kind}", model = "{one.model}" }}'
        content = {
            "data": "starter",
            "output": "run",
            "backbone": {"kind": one.kind, "model": one.model},
            "phases": [{"name": "p", "epochs": 1, "lr": 0.1}],
        }
        assert resolve(content, catalogue, "test").backbone.model == one.model
