"""Frozen means frozen, whatever the architecture."""

import pytest
import timm
import torch
from torch import nn

from tlf.builtin.backbones import Timm, Torchvision
from tlf.builtin.freezing import Norms
from tlf.errors import FrozenMovedError
from tlf.freeze import audit, digests, freeze, frozen_tensors, united
from tlf.model import Classifier
from tlf.results import Progress

START = Progress(0, 1)


class Toy(nn.Module):
    """Two stages with everything that moves without a gradient."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)
        self.bn1 = nn.BatchNorm2d(4)
        self.drop1 = nn.Dropout(0.5)
        self.layer1 = nn.Sequential(
            nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6, affine=False), nn.Dropout(0.5)
        )
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x):
        return self.pool(self.layer1(self.drop1(self.bn1(self.conv1(x))))).flatten(1)


STAGES = {
    "stem": ("conv1.weight", "conv1.bias", "bn1.weight", "bn1.bias"),
    "layer1": ("layer1.0.weight", "layer1.0.bias"),
}


@pytest.fixture
def toy():
    torch.manual_seed(0)
    return Classifier(Toy(), nn.Linear(6, 2), STAGES)


def _train_a_little(model, frozen, size):
    freeze(model, frozen)
    learning = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=0.1, momentum=0.9, weight_decay=0.1)
    for _ in range(2):
        images = torch.randn(4, 3, size, size)
        model(images).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()


def test_the_frozen_stage_is_at_rest_and_the_other_is_not(toy):
    freeze(toy, toy.stage("stem"))
    assert not toy.backbone.bn1.training
    assert not toy.backbone.drop1.training, "the dropout behind the stem belongs to the stem"
    assert toy.backbone.layer1[1].training
    assert toy.backbone.layer1[2].training
    assert toy.head.training


def test_a_frozen_stage_with_a_norm_without_weights_keeps_its_statistics(toy):
    freeze(toy, toy.backbone_names)
    before = toy.backbone.layer1[1].running_mean.clone()
    toy(torch.randn(4, 3, 8, 8))
    assert torch.equal(before, toy.backbone.layer1[1].running_mean)


def test_frozen_norms_are_at_rest_while_their_stage_learns(toy):
    freeze(toy, Norms().frozen(toy, START))
    assert not toy.backbone.bn1.training
    assert toy.backbone.drop1.training
    assert toy.backbone.conv1.weight.requires_grad


def test_a_parameter_frozen_after_it_learnt_stands_still_under_momentum_and_decay(toy):
    freeze(toy, ())
    optimizer = torch.optim.SGD(toy.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    toy(torch.randn(4, 3, 8, 8)).sum().backward()
    optimizer.step()
    freeze(toy, toy.stage("stem"))
    before = digests(toy)
    toy(torch.randn(4, 3, 8, 8)).sum().backward()
    optimizer.step()  # the old optimizer still holds the frozen parameters
    assert all(digests(toy)[name] == before[name] for name in toy.stage("stem"))


TIMM = [
    "test_resnet", "test_efficientnet", "test_convnext", "test_vit", "test_byobnet", "test_nfnet",
    "test_mambaout", "test_efficientnet_evos", "test_efficientnet_ln",
]  # fmt: skip
TIMM_LARGER = [
    "resnext26ts", "convnext_atto", "efficientnet_b0", "mobilenetv3_small_050", "regnetx_002",
    "densenet121", "vgg11_bn", "vit_tiny_patch16_224", "deit_tiny_patch16_224",
    "swin_tiny_patch4_window7_224", "maxvit_pico_rw_256", "levit_128s", "edgenext_xx_small",
    "mobilevit_xxs", "poolformer_s12", "xcit_nano_12_p16_224", "mixer_s32_224", "ghostnet_050",
    "repvgg_a0", "hgnetv2_b0", "fastvit_t8", "coatnet_pico_rw_224",
]  # fmt: skip
TORCHVISION = [
    "resnet18", "resnext50_32x4d", "convnext_tiny", "efficientnet_b0", "mobilenet_v2",
    "mobilenet_v3_small", "regnet_y_400mf", "densenet121", "vgg11_bn", "vit_b_32", "swin_t",
    "maxvit_t", "shufflenet_v2_x0_5", "squeezenet1_1", "mnasnet0_5", "googlenet",
]  # fmt: skip


def _check_family(backbone):
    """Train a little with the lower half frozen, with drop-path and all; nothing frozen moves."""
    torch.manual_seed(0)
    built = backbone.build()
    model = Classifier(built.module, nn.Linear(built.num_features, 2), built.stages)
    for module in model.modules():  # whatever drops something, drops much
        for rate in ("p", "drop_prob"):
            if isinstance(getattr(module, rate, None), float):
                setattr(module, rate, 0.3)
    stages = [*model.stages]
    frozen = {n for stage in stages[: len(stages) // 2 + 1] for n in model.stage(stage)}
    freeze(model, frozen)
    before = digests(model)
    _train_a_little(model, frozen, built.preprocessing.size)
    still = audit(model, frozen, before)
    assert len(still) < len([n for n, _ in model.named_parameters() if n not in frozen]) / 2
    freeze(model, model.backbone_names)
    images = torch.randn(2, 3, built.preprocessing.size, built.preprocessing.size)
    with torch.no_grad():
        assert torch.equal(model(images), model(images))


@pytest.mark.parametrize("name", TIMM)
def test_frozen_stages_do_not_move_in_timm(name):
    _check_family(Timm(model=name, weights="none"))


@pytest.mark.slow
@pytest.mark.parametrize("name", TIMM_LARGER)
def test_frozen_stages_do_not_move_in_larger_timm(name):
    _check_family(Timm(model=name, weights="none"))


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_frozen_stages_do_not_move_in_torchvision(name):
    _check_family(Torchvision(model=name, weights="none"))


def test_drop_path_and_dropout_of_frozen_stages_do_nothing():
    backbone = timm.create_model("test_vit", num_classes=0, drop_path_rate=0.5, proj_drop_rate=0.5)
    names = [n for n, _ in backbone.named_parameters()]
    model = Classifier(backbone, nn.Linear(backbone.num_features, 2), {"stem": names})
    freeze(model, model.backbone_names)
    images = torch.randn(2, 3, 160, 160)
    assert torch.equal(model(images), model(images))
    freeze(model, ())
    assert not torch.equal(model(images), model(images))


def test_the_audit_names_a_buffer_that_moved(toy):
    frozen = toy.stage("stem")
    freeze(toy, frozen)
    before = digests(toy)
    toy.backbone.bn1.running_mean += 1e-6
    with pytest.raises(
        FrozenMovedError, match=r"backbone\.bn1\.running_mean was frozen and changed"
    ):
        audit(toy, frozen, before)


def test_the_audit_names_a_parameter_that_moved_by_one_bit(toy):
    frozen = toy.stage("stem")
    freeze(toy, frozen)
    before = digests(toy)
    weight = toy.backbone.conv1.weight.data.view(-1)
    weight[0] = torch.nextafter(weight[0], torch.tensor(10.0))
    with pytest.raises(FrozenMovedError, match=r"backbone\.conv1\.weight"):
        audit(toy, frozen, before)


def test_the_audit_tells_what_should_have_learnt_and_did_not(toy):
    freeze(toy, toy.stage("stem"))
    assert audit(toy, toy.stage("stem"), digests(toy)) == (
        "backbone.layer1.0.weight", "backbone.layer1.0.bias", "head.weight", "head.bias",
    )  # fmt: skip


def test_frozen_tensors_hold_the_buffers_of_modules_at_rest(toy):
    freeze(toy, toy.stage("stem"))
    names = set(frozen_tensors(toy, toy.stage("stem")))
    assert "backbone.bn1.running_var" in names
    assert "backbone.layer1.1.running_var" not in names


def test_policies_are_united(toy):
    answers = [["backbone.conv1.weight"], {"head.bias"}]
    assert united(toy, answers) == {"backbone.conv1.weight", "head.bias"}


def test_a_policy_that_names_what_does_not_exist_is_told(toy):
    with pytest.raises(ValueError, match=r"'conv1\.weight', which is no parameter"):
        united(toy, [["conv1.weight"]])


def test_a_phase_that_trains_nothing_is_told(toy):
    with pytest.raises(ValueError, match="train nothing"):
        united(toy, [[n for n, _ in toy.named_parameters()]])
