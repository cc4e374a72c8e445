"""Frozen means frozen, for every architecture."""

import pytest
import timm
import torch
import torchvision
from timm.layers import DropPath
from torch import nn
from torchvision.ops import StochasticDepth

from tlf.builtin.backbones import Timm, Torchvision
from tlf.builtin.freeze_policies import Norms
from tlf.errors import FrozenMovedError
from tlf.freezing.freeze import audit, digests, freeze, frozen_tensors, united
from tlf.model import Classifier
from tlf.results import Progress

START = Progress(0, 1)


class Toy(nn.Module):
    """Two stages with everything that changes without a gradient."""

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


def _train_a_little(model, size):
    # Adam's steps have one length whatever the gradient's: random weights do not run away.
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
    for _ in range(2):
        logits = model(torch.randn(2, 3, size, size))
        nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
        optimizer.step()
        optimizer.zero_grad()


def test_the_frozen_stage_is_in_eval_mode_and_the_other_is_not(toy):
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


def test_frozen_norms_are_in_eval_mode_while_their_stage_trains(toy):
    freeze(toy, Norms().frozen(toy, START))
    assert not toy.backbone.bn1.training
    assert toy.backbone.drop1.training
    assert toy.backbone.conv1.weight.requires_grad


def test_a_parameter_frozen_after_training_is_not_moved_by_momentum_and_decay(toy):
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
# The smallest member of every family of timm's, and of some that share a module with others.
TIMM_FAMILIES = [
    "beit_base_patch16_224", "cait_xxs24_224", "coat_tiny", "convit_tiny", "convmixer_768_32",
    "cpubone_nano", "crossvit_tiny_240", "cs3darknet_focus_s", "csatv2", "cspnext_tiny",
    "davit_tiny", "deit_tiny_patch16_224", "densenet121", "dla46x_c",
    "dpn48b", "edgenext_xx_small", "efficientformer_l1", "efficientformerv2_s0",
    "efficientvim_m1", "efficientvit_b0", "efficientvit_m0", "ese_vovnet19b_slim_dw",
    "fasternet_t0", "fastvit_t8", "focalnet_tiny_srf", "gcvit_xxtiny", "gemma4_vit_167m",
    "ghostnet_050", "gmlp_ti16_224", "halonet_h1", "hardcorenas_a", "hgnetv2_b0",
    "hiera_tiny_224", "hrnet_w18_small", "iformer_t", "inception_next_atto",
    "inception_resnet_v2", "inception_v3", "inception_v4", "lcnetv2_small", "legacy_seresnet18",
    "legacy_xception", "levit_128s", "lowformer_b0", "mobilenetv3_small_050",
    "mobilenetv5_base", "mobilevit_xxs", "mvitv2_tiny", "naflexvit_base_patch16_gap",
    "nasnetalarge", "nest_tiny", "nextvit_small", "pit_ti_224", "pnasnet5large",
    "poolformerv2_s12", "pvt_v2_b0", "qwen3_vit_88m", "rdnet_tiny", "regnetx_002",
    "repghostnet_050", "repvit_m1", "res2next50", "resnest14d", "resnetv2_18", "rexnet_100",
    "sam2_hiera_tiny", "samvit_base_patch16_224", "selecsls42", "sequencer2d_s", "shvit_s1",
    "skresnet18", "starnet_s050", "swiftformer_xs", "swin_tiny_patch4_window7_224",
    "swinv2_cr_tiny_224", "swinv2_tiny_window8_256", "test_byobnet", "test_coatnet",
    "test_convnext", "test_efficientnet", "test_mambaout", "test_nfnet", "test_resnet",
    "test_vit", "test_vit_relpos", "tiny_vit_5m_224", "tnt_s_legacy_patch16_224", "tresnet_m",
    "twins_svt_small", "vgg11_bn", "visformer_tiny", "vit_tiny_patch16_dinov3_qkvb",
    "vit_tiny_r_s16_p8_224", "vitamin_small_224", "volo_d1_224", "xception41p",
    "xcit_nano_12_p8_224",
]  # fmt: skip
TIMM_RELATIVES = [
    "resnext26ts", "efficientnet_b0", "vit_tiny_patch16_224", "maxvit_pico_rw_256",
    "coatnet_pico_rw_224", "mixer_s32_224", "poolformer_s12", "repvgg_a0",
]  # fmt: skip
# 412 million weights, on images of 546 pixels only.
TOO_LARGE = {"deepseek_vit"}
# Only the size that it was made for is a multiple of its blocks.
WHOLE = {"halonet_h1"}
# They run after the stem, but are registered behind modules that train. Their rate is always 0.
AMBIGUOUS = {"twins_svt_small": ["backbone.pos_drops.0", "backbone.pos_drops.1"]}
TORCHVISION = [
    "alexnet", "resnet18", "resnext50_32x4d", "convnext_tiny", "efficientnet_b0",
    "mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf", "densenet121", "vgg11_bn", "vit_b_32",
    "swin_t", "swin_v2_t", "maxvit_t", "shufflenet_v2_x0_5", "squeezenet1_1", "mnasnet0_5",
    "googlenet", "inception_v3",
]  # fmt: skip


def _drop_much(model):
    """Raise every dropout rate, and put a drop-path where a network has a place for one."""
    for parent in [*model.modules()]:
        for name, child in parent.named_children():
            if isinstance(child, nn.Identity) and name.startswith("drop_path"):
                setattr(parent, name, DropPath(0.3))
    for module in model.modules():
        for rate in ("p", "drop_prob"):
            # What drops in place may overwrite what TNT's gradient needs.
            if isinstance(getattr(module, rate, None), float) and not getattr(
                module, "inplace", False
            ):
                setattr(module, rate, 0.3)


def _drops_below(model, images):
    """Names of the dropouts in training mode that run before the first module that trains, except
    those in the same module as it.
    """
    ran = []
    hooks = [
        module.register_forward_pre_hook(lambda module, _, name=name: ran.append((name, module)))
        for name, module in model.named_modules()
        if not [*module.children()]
    ]
    with torch.no_grad():
        assert torch.isfinite(model(images)).all()
    for hook in hooks:
        hook.remove()
    number = next(
        n for n, (_, module) in enumerate(ran) if any(p.requires_grad for p in module.parameters())
    )
    first = ran[number][0]
    return [
        name
        for name, module in ran[:number]
        if module.training
        and isinstance(module, nn.Dropout | DropPath | StochasticDepth)
        and not _beside(model, name, first)
    ]


def _beside(model, name, first):
    parent = name.rpartition(".")[0]
    inside = first.startswith(f"{parent}.")
    return inside and all(p.requires_grad for p in model.get_submodule(parent).parameters())


def _size(backbone, built):
    """Small images, where the architecture takes any size."""
    config = timm.get_pretrained_cfg(backbone.model) if isinstance(backbone, Timm) else None
    fixed = config is None or config.fixed_input_size or backbone.model in WHOLE
    return built.preprocessing.size if fixed else min(128, built.preprocessing.size)


def _check_family(backbone):
    """Train a little with the lower half frozen, with drop-path and all; nothing frozen moves."""
    torch.manual_seed(0)
    built = backbone.build()
    model = Classifier(built.module, nn.Linear(built.num_features, 2), built.stages)
    _drop_much(model)
    size = _size(backbone, built)
    stages = [*model.stages]
    frozen = {n for stage in stages[: len(stages) // 2 + 1] for n in model.stage(stage)}
    with torch.no_grad():
        model.eval()(
            torch.zeros(2, 3, size, size)
        )  # as a run does: ConViT makes buffers in its first call
    freeze(model, frozen)
    before = digests(model)
    _train_a_little(model, size)
    unchanged = audit(model, frozen, before, digests(model))
    trainable = [name for name, _ in model.named_parameters() if name not in frozen]
    assert len(unchanged) < len(trainable) / 2
    images = torch.randn(2, 3, size, size)
    assert _drops_below(model, images) == AMBIGUOUS.get(backbone.model, [])
    freeze(model, model.backbone_names)
    with torch.no_grad():
        assert torch.isfinite(model(images)).all()
        assert torch.equal(model(images), model(images))


@pytest.mark.parametrize("name", TIMM)
def test_frozen_stages_do_not_move_in_timm(name):
    _check_family(Timm(model=name, weights="none"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TIMM_FAMILIES, *TIMM_RELATIVES])
def test_frozen_stages_do_not_move_in_timms_families(name):
    if name not in timm.list_models():
        pytest.skip(f"timm {timm.__version__} has no {name}")
    _check_family(Timm(model=name, weights="none"))


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_frozen_stages_do_not_move_in_torchvision(name):
    _check_family(Torchvision(model=name, weights="none"))


def test_the_table_has_every_family():
    """A family is a module of timm's or torchvision's that defines architectures."""
    covered = {timm.models._registry._model_to_module.get(name) for name in [*TIMM_FAMILIES]}
    missing = {*timm.list_modules()} - covered
    older = None in covered  # an older timm has not all of TIMM_FAMILIES
    assert older or missing <= TOO_LARGE, "add the smallest member of each to TIMM_FAMILIES"
    known = torchvision.models.list_models(module=torchvision.models)
    module = {name: torchvision.models.get_model_builder(name).__module__ for name in known}
    assert {*module.values()} == {module[name] for name in TORCHVISION}


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
        audit(toy, frozen, before, digests(toy))


def test_the_audit_names_a_parameter_that_moved_by_one_bit(toy):
    frozen = toy.stage("stem")
    freeze(toy, frozen)
    before = digests(toy)
    weight = toy.backbone.conv1.weight.data.view(-1)
    weight[0] = torch.nextafter(weight[0], torch.tensor(10.0))
    with pytest.raises(FrozenMovedError, match=r"backbone\.conv1\.weight"):
        audit(toy, frozen, before, digests(toy))


def test_the_audit_returns_trainable_parameters_that_did_not_change(toy):
    freeze(toy, toy.stage("stem"))
    assert audit(toy, toy.stage("stem"), digests(toy), digests(toy)) == (
        "backbone.layer1.0.weight", "backbone.layer1.0.bias", "head.weight", "head.bias",
    )  # fmt: skip


def test_frozen_tensors_hold_the_buffers_of_modules_in_eval_mode(toy):
    freeze(toy, toy.stage("stem"))
    names = set(frozen_tensors(toy, toy.stage("stem")))
    assert "backbone.bn1.running_var" in names
    assert "backbone.layer1.1.running_var" not in names


def test_policies_are_united(toy):
    answers = [["backbone.conv1.weight"], {"head.bias"}]
    assert united(toy, answers) == {"backbone.conv1.weight", "head.bias"}


def test_a_policy_that_names_no_parameter_is_an_error(toy):
    with pytest.raises(
        ValueError, match=r"parameters of the model, got 'conv1\.weight'; write names"
    ):
        united(toy, [["conv1.weight"]])


def test_a_phase_that_trains_nothing_is_an_error(toy):
    with pytest.raises(ValueError, match="train nothing"):
        united(toy, [[n for n, _ in toy.named_parameters()]])
