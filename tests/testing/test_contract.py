"""The checks for authors of plugins: what comes with tlf passes them, what is broken does not."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import broken
from broken.backbones import OneStage
from places import TESTS
from tlf import testing
from tlf.plugins.loading import load_plugins

CHECKS = {
    "tlf_datasets": testing.check_dataset,
    "tlf_augmentations": testing.check_augmentation,
    "tlf_backbones": testing.check_backbone,
    "tlf_heads": testing.check_head,
    "tlf_losses": testing.check_loss,
    "tlf_freeze_policies": testing.check_freeze_policy,
    "tlf_optimizers": testing.check_optimizer,
    "tlf_schedulers": testing.check_scheduler,
}
OWN = {
    "tlf_augmentations": [
        ("none", {}), ("crop-flip", {}), ("trivial-augment", {}), ("rand-augment", {"ops": 3}),
        ("mixup", {"alpha": 1.0}), ("cutmix", {}),
    ],
    "tlf_heads": [
        ("linear", {"dropout": 0.2}), ("linear", {"bias": False}), ("cosine", {}),
        ("mlp", {"hidden": (8, 6), "dropout": 0.1, "norm": "layer"}), ("attention-pool", {}),
    ],
    "tlf_losses": [
        ("cross-entropy", {"label_smoothing": 0.1, "class_weights": "balanced"}), ("focal", {}),
    ],
    "tlf_freeze_policies": [
        ("nothing", {}), ("backbone", {}), ("up-to", {"stage": "layer2"}), ("all-but-last", {}),
        ("only", {"stages": ("stem", "blocks.2")}), ("matching", {"pattern": r"\.bias$"}),
        ("norms", {}), ("gradual", {}), ("plateau", {"patience": 1}), ("alternate", {}),
    ],
    "tlf_optimizers": [
        ("sgd", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}), ("adam", {}),
        ("adamw", {}), ("timm", {"name": "lion"}),
    ],
    "tlf_schedulers": [
        ("constant", {"warmup": 0.2}), ("linear", {}), ("cosine", {}), ("step", {}),
        ("one-cycle", {}), ("plateau", {}),
    ],
    "tlf_backbones": [
        ("torchvision", {"model": "mobilenet_v3_small", "weights": "none"}),
        ("torchvision", {"model": "resnet18", "weights": "none"}),
        ("timm", {"model": "test_vit.r160_in1k", "weights": "none"}),
        ("timm", {"model": "test_convnext.r160_in1k", "weights": "none", "drop_path": 0.2}),
    ],
}  # fmt: skip
CASES = [(hook, kind, options) for hook, cases in OWN.items() for kind, options in cases]


@pytest.mark.parametrize(("hook", "kind", "options"), CASES, ids=lambda part: str(part)[:30])
def test_what_comes_with_tlf_keeps_the_contract(hook, kind, options):
    component = load_plugins(()).catalogue.of(hook)[kind].component(**options)
    CHECKS[hook](component, **({"size": 64} if "resnet" in str(options) else {}))


def test_a_folder_of_images_keeps_the_contract(images):
    folder = load_plugins(()).catalogue.of("tlf_datasets")["folder"].component
    testing.check_dataset(folder(root=str(images)))


def test_everything_that_comes_with_tlf_is_checked():
    catalogue = load_plugins(()).catalogue
    for hook, cases in OWN.items():
        assert {*catalogue.of(hook)} == {kind for kind, _ in cases}


@pytest.mark.parametrize("name", broken.RULES)
def test_a_broken_rule_is_told(name):
    hook, told, make = broken.RULES[name]
    with pytest.raises(AssertionError) as caught:
        CHECKS[hook](make())
    message = str(caught.value)
    assert told in message
    assert ". The contract: " in message
    assert "\n" not in message


@pytest.mark.parametrize(("hook", "component"), broken.WHOLES, ids=str)
def test_without_their_fault_they_pass(hook, component):
    CHECKS[hook](component)


def test_a_backbone_in_one_stage_passes_with_a_warning():
    with pytest.warns(UserWarning, match=r"^OneStage\(\) has 4 layers in one stage") as told:
        testing.check_backbone(OneStage())
    assert [Path(one.filename) for one in told] == [Path(__file__)]


def test_no_test_framework_is_needed():
    program = (
        "import sys; from tlf.testing import *; print(*sorted({m.split('.')[0] for m in sys.modules"
        "}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {"pytest", "timm", "torchvision"} & {*done.stdout.split()}


def test_what_a_component_prints_does_not_disturb_the_second_process(tmp_path, monkeypatch):
    source = """
from dataclasses import dataclass
@dataclass(frozen=True)
class Chatty:
    def factor(self, progress):
        print("here")
        return 1.0
"""
    (tmp_path / "chatty_plugin.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    testing.check_scheduler(importlib.import_module("chatty_plugin").Chatty())


def test_a_plugins_backbone_keeps_the_contract(monkeypatch):
    monkeypatch.syspath_prepend(TESTS / "tlf-mobilenet")
    network = importlib.import_module("tlf_mobilenet").MobileNetV1
    testing.check_backbone(network("none"), size=64)
