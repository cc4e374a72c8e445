"""check_backbone: the built-in backbones pass, and every broken rule is named."""

import importlib
from pathlib import Path

import pytest

from broken import backbones as broken
from places import TESTS
from tlf.testing import check_backbone
from tlf.testing.contract import own_catalogue

BUILTIN = [
    ("torchvision", {"model": "mobilenet_v3_small", "weights": "none"}, 64),
    ("torchvision", {"model": "resnet18", "weights": "none"}, 64),
    ("timm", {"model": "test_vit.r160_in1k", "weights": "none"}, None),
    ("timm", {"model": "test_convnext.r160_in1k", "weights": "none", "drop_path": 0.2}, 96),
]


@pytest.mark.parametrize(("kind", "options", "size"), BUILTIN, ids=lambda part: str(part)[:30])
def test_a_builtin_keeps_the_contract(kind, options, size):
    component = own_catalogue().of("tlf_backbones")[kind].component(**options)
    check_backbone(component, size)


def test_every_builtin_is_checked():
    assert {*own_catalogue().of("tlf_backbones")} == {case[0] for case in BUILTIN}


@pytest.mark.parametrize("name", broken.RULES)
def test_a_broken_rule_is_named(name):
    broken.RULES.assert_named(name, check_backbone)


@pytest.mark.parametrize("component", broken.WHOLES, ids=str)
def test_without_a_fault_it_passes(component):
    check_backbone(component)


def test_a_backbone_of_one_stage_passes_with_a_warning():
    with pytest.warns(UserWarning, match=r"^OneStage\(\) has 4 layers in one stage") as warned:
        check_backbone(broken.OneStage())
    assert [Path(one.filename) for one in warned] == [Path(__file__)]


def test_a_plugins_backbone_keeps_the_contract(monkeypatch):
    monkeypatch.syspath_prepend(TESTS / "tlf-mobilenet")
    network = importlib.import_module("tlf_mobilenet").MobileNetV1
    check_backbone(network("none"), size=64)
