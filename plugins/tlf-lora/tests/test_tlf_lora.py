"""Adapters keep tlf's contract, start without effect, and are removed when they are merged."""

import pytest
import torch
from torch import nn

from tlf.model import Classifier
from tlf.plugins.loading import load_plugins
from tlf.results import Progress
from tlf.testing import check_backbone, check_freeze_policy, tiny_classifiers

pytest.importorskip("peft", reason="peft is not installed")

from tlf_lora import Base, Lora, merge

TRANSFORMER = Lora("test_vit.r160_in1k", weights="none", rank=4)
CONVOLUTIONS = Lora("test_resnet.r160_in1k", weights="none", dropout=0.1)
OTHERS = Lora("mobilenet_v3_small", weights="none", library="torchvision")


def classifier(backbone):
    torch.manual_seed(0)
    built = backbone.build()
    return Classifier(built.module, nn.Linear(built.num_features, 3), built.stages).eval()


@pytest.mark.parametrize("backbone", [TRANSFORMER, CONVOLUTIONS, OTHERS], ids=lambda b: b.model)
def test_the_contract(backbone):
    check_backbone(backbone, size=160 if "vit" in backbone.model else 48)
    check_freeze_policy(Base(), {backbone.model: classifier(backbone)})


@pytest.mark.parametrize("backbone", [TRANSFORMER, CONVOLUTIONS, OTHERS], ids=lambda b: b.model)
def test_merged_it_is_the_plain_network_with_the_same_output(backbone):
    model, images = classifier(backbone), torch.randn(2, 3, 160, 160)
    kind = load_plugins(()).catalogue.of("tlf_backbones")[backbone.library]
    plain = kind.component(model=backbone.model, weights="none").build()
    own = {n.removeprefix("backbone."): p for n, p in model.named_parameters() if ".lora" not in n}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_B" in name:
                assert not parameter.any()  # adapters start without effect
                parameter.normal_(std=0.02)
        adapted = model(images)
        merge(model)
        torch.testing.assert_close(model(images), adapted, rtol=1e-4, atol=1e-4)
    assert model.backbone.state_dict().keys() == plain.module.state_dict().keys()
    assert {s: tuple(n.removeprefix("backbone.") for n in names) for s, names in
            model.stages.items()} == dict(plain.stages)  # fmt: skip
    assert own.keys() >= {n for n, _ in plain.module.named_parameters() if "norm" in n}
    plain.module.load_state_dict(model.backbone.state_dict())


def test_only_adapters_and_head_train():
    model = classifier(TRANSFORMER)
    trainable = {n for n, _ in model.named_parameters()} - {*Base().frozen(model, Progress(0, 1))}
    assert all(".lora_" in name or name.startswith("head.") for name in trainable)
    assert sum(model.get_parameter(n).numel() for n in trainable) < 0.15 * sum(
        p.numel() for p in model.parameters()
    )
    with pytest.raises(ValueError, match="has no adapters"):
        Base().frozen(tiny_classifiers()["resnet18"], Progress(0, 1))


def test_layers_are_chosen_by_their_names():
    names = {n for n, _ in Lora("test_vit", "none", layers=("attn.qkv",)).build().module
             .named_parameters() if ".lora_A" in n}  # fmt: skip
    assert names == {f"blocks.{i}.attn.qkv.lora_A.default.weight" for i in range(6)}
    with pytest.raises(ValueError, match=r"no layer is called attn\.query"):
        Lora("test_vit", "none", layers=("attn.query",)).build()
