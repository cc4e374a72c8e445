import json
import re
from dataclasses import asdict, replace
from functools import cache

import pytest
import timm
import torch
from accelerate import init_empty_weights
from safetensors.torch import save_file
from timm.models import adapt_input_conv
from torch import nn
from torchvision import models

from tlf.builtin.backbones import Timm, Torchvision, tlf_backbones
from tlf.errors import WeightsError
from tlf.model import Classifier
from tlf.preprocessing import Preprocessing
from tlf.pretrained import downloads, published, weights
from tlf.pretrained.stem import stem_note

COMMIT = "b" * 40

# Family → name and width of the input of its last layer, from torchvision's documentation.
FAMILIES = {
    "alexnet": ("classifier.6", 4096),
    "convnext": ("classifier.2", None),
    "densenet": ("classifier", None),
    "efficientnet": ("classifier.1", None),
    "googlenet": ("fc", 1024),
    "inception": ("fc", 2048),
    "maxvit": ("classifier.5", 512),
    "mnasnet": ("classifier.1", 1280),
    "mobilenet_v2": ("classifier.1", 1280),
    "mobilenet_v3": ("classifier.3", None),
    "regnet": ("fc", None),
    "resnet": ("fc", None),
    "resnext": ("fc", 2048),
    "shufflenet": ("fc", None),
    "squeezenet": ("classifier.1", 512),
    "swin": ("head", None),
    "vgg": ("classifier.6", 4096),
    "vit": ("heads.head", None),
    "wide_resnet": ("fc", 2048),
}

# Small network → side of the images it is tried with, and whether its maps reach the head.
SMALL = {
    "alexnet": (64, False),
    "convnext_tiny": (32, True),
    "densenet121": (32, True),
    "efficientnet_b0": (32, True),
    "googlenet": (32, True),
    "inception_v3": (75, True),
    "maxvit_t": (224, False),
    "mnasnet0_5": (32, True),
    "mobilenet_v2": (32, True),
    "mobilenet_v3_small": (32, False),
    "regnet_y_400mf": (32, True),
    "resnet18": (32, True),
    "shufflenet_v2_x0_5": (32, True),
    "squeezenet1_1": (32, True),
    "swin_t": (32, True),
    "swin_v2_t": (32, True),
    "vit_b_32": (224, True),
}

# One small network of each of timm's families that differ in how they are built.
TIMM = [
    "test_resnet",
    "test_vit",
    "test_vit2",
    "test_vit_relpos",
    "test_convnext",
    "test_efficientnet",
    "test_byobnet",
    "test_nfnet",
    "test_coatnet",
    "test_mambaout",
    "mobilenetv3_small_050",
    "cs3darknet_focus_s",
    "dla46x_c",
    "edgenext_xx_small",
    "efficientvit_m0",
    "efficientvim_m1",
    "fastvit_t8",
    "ghostnet_050",
    "levit_128s",
    "coat_tiny",
    "crossvit_tiny_240",
    "deit_tiny_distilled_patch16_224",
    "pit_ti_224",
    "pvt_v2_b0",
    "regnetx_002",
    "repvit_m1",
    "rexnet_100",
    "shvit_s1",
    "starnet_s050",
    "swiftformer_xs",
    "swin_tiny_patch4_window7_224",
    "csatv2",
]

LARGE = [
    "qwen3_vit_88m_enc",
    "mobilenetv5_base",
    "sam2_hiera_tiny",
    "sequencer2d_s",
    "volo_d1_224",
    "xcit_nano_12_p8_224",
    "dpn48b",
]


@cache
def without_values(component):
    """A network whose parameters have shapes but no values: built at once, once for all tests."""
    with init_empty_weights():
        return component.build()


def check_stages(built):
    """The contract of stages. Classifier checks that they hold every parameter once."""
    Classifier(built.module, nn.Identity(), built.stages)
    stages = list(built.stages)
    assert stages[0] == "stem"
    assert len(stages) >= 3
    assert not {"head", "backbone"} & set(stages)
    modules = {name for name, _ in built.module.named_modules()}
    parameters = {name for name, _ in built.module.named_parameters()}
    assert set(stages[1:]) <= modules | parameters


def noise(channels, height, width=None):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, channels, height, width or height, generator=generator)


def family(name):
    return max((f for f in FAMILIES if name.startswith(f)), key=len)


def last_layer_input(reference, name, images):
    """The input of a whole network's last layer."""
    seen = []
    reference.get_submodule(name).register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        reference(images)
    return seen[0]


def test_both_kinds_are_offered():
    assert tlf_backbones() == {"torchvision": Torchvision, "timm": Timm}


@pytest.mark.parametrize("name", models.list_models(module=models))
def test_every_network_of_torchvision_has_stages(name):
    built = without_values(Torchvision(name, "none"))
    check_stages(built)
    classifier, width = FAMILIES[family(name)]
    assert built.classifier == classifier
    assert width in (None, built.num_features)
    assert isinstance(built.module.get_submodule(classifier), nn.Identity)


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        "resnet50": "stem layer1 layer2 layer3 layer4",
        "vgg16": "stem features.5 features.10 features.17 features.24 classifier.0",
        "convnext_tiny": "stem " + " ".join(f"features.{i}" for i in range(1, 8)),
        "vit_b_32": "stem " + " ".join(f"encoder.layers.encoder_layer_{i}" for i in range(12)),
        "regnet_y_400mf": "stem " + " ".join(f"trunk_output.block{i}" for i in range(1, 5)),
        "shufflenet_v2_x0_5": "stem stage2 stage3 stage4 conv5",
    }.items(),
)
def test_torchvisions_stages_are_named_as_its_modules(name, expected):
    assert list(without_values(Torchvision(name, "none")).stages) == expected.split()


@pytest.mark.parametrize("name", SMALL)
def test_torchvisions_features_are_the_input_of_its_last_layer(name):
    built = Torchvision(name, "none").build()
    auxiliary = {"aux_logits": False, "init_weights": False}
    options = auxiliary if name in {"googlenet", "inception_v3"} else {}
    with init_empty_weights():
        reference = models.get_model(name, weights=None, **options).eval()
    result = reference.load_state_dict(built.module.state_dict(), strict=False, assign=True)
    assert {key.rpartition(".")[0] for key in result.missing_keys} == {built.classifier}
    assert result.unexpected_keys == []
    # The last layer has no values: only its input is compared.
    reference.set_submodule(built.classifier, nn.Identity())

    side, offers_maps = SMALL[name]
    images = noise(3, side)
    with torch.no_grad():
        features = built.module.eval()(images)
    expected = last_layer_input(reference, built.classifier, images)
    if name.startswith("squeezenet"):
        # Its last layer is a convolution, and pooling comes after it.
        expected = expected.mean((2, 3))
    assert features.shape == (2, built.num_features)
    torch.testing.assert_close(features, expected)
    assert hasattr(built.module, "forward_features") == offers_maps
    if offers_maps:
        check_maps(built, images, features)


def check_maps(built, images, features):
    with torch.no_grad():
        maps = built.module.forward_features(images)
        if "vit" in type(built.module).__name__.lower() or maps.ndim == 3:
            pooled = maps[:, 0]
        else:
            assert maps.shape[:2] == (2, built.num_features)
            pooled = maps.mean((2, 3))
            if type(built.module).__name__ == "ConvNeXt":
                pooled = built.module.classifier(pooled[:, :, None, None])
    torch.testing.assert_close(pooled, features)


@pytest.mark.parametrize("name", [*TIMM, *(pytest.param(n, marks=pytest.mark.slow) for n in LARGE)])
def test_timms_features_are_its_own(name):
    if not timm.is_model(name):
        pytest.skip(f"timm {timm.__version__} has no {name} yet")
    torch.manual_seed(0)
    built = Timm(name, "none").build()
    torch.manual_seed(0)
    reference = timm.create_model(name, num_classes=0).eval()
    assert list(built.module.state_dict()) == list(reference.state_dict())
    check_stages(built)
    size = built.preprocessing.size
    images = noise(3, size if reference.pretrained_cfg.get("fixed_input_size") else min(size, 224))
    with torch.no_grad():
        features, expected = built.module.eval()(images), reference(images)
        assert features.shape == (2, built.num_features)
        torch.testing.assert_close(features, expected if expected.ndim == 2 else expected.mean(1))
        if hasattr(built.module, "forward_features"):
            maps = built.module.forward_features(images)
            assert maps.shape[1 if maps.ndim == 4 else 2] == built.num_features


@pytest.mark.parametrize(
    ("name", "has"),
    [
        ("mobilenetv3_small_050", False),
        ("coat_tiny", False),
        ("test_mambaout", False),
        ("test_vit", True),
    ],
)
def test_timms_maps_are_offered_only_where_they_are_as_wide_as_the_features(name, has):
    assert hasattr(without_values(Timm(name, "none")).module, "forward_features") == has


@pytest.mark.slow
@pytest.mark.parametrize("name", timm.list_models())
def test_every_network_of_timm_has_stages(name):
    component = Timm(name, "none")
    try:
        with init_empty_weights():
            built = component.build()
    except (NotImplementedError, RuntimeError):
        # Some networks read their own parameters while they are built.
        if any(size in name for size in ("large", "huge", "giant")):
            pytest.skip("cannot be built without values and is large with them")
        built = component.build()
    check_stages(built)


def test_timms_stages_are_named_as_its_modules():
    def stages(name):
        return list(without_values(Timm(name, "none")).stages)

    assert stages("resnet18") == ["stem", "layer1", "layer2", "layer3", "layer4"]
    assert stages("test_convnext") == ["stem", "stages.0", "stages.1", "stages.2", "stages.3"]
    assert stages("test_vit") == ["stem", *(f"blocks.{i}" for i in range(6))]
    assert stages("densenet121")[1] == "features.denseblock1"


def test_the_same_network_has_the_same_stages_in_both_libraries():
    timms, torchvisions = Timm("resnet18", "none"), Torchvision("resnet18", "none")
    assert without_values(timms).stages == without_values(torchvisions).stages


# Weights


@pytest.fixture
def resnet(monkeypatch, tmp_path):
    """A ResNet-18 with classifier; its state takes the place of published weights."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    torch.manual_seed(7)
    return models.resnet18(weights=None)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Put a file into the cache of huggingface_hub, and work offline."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def put(repository, name, write):
        folder = tmp_path / f"models--{repository.replace('/', '--')}"
        (folder / "refs").mkdir(parents=True, exist_ok=True)
        (folder / "refs" / "main").write_text(COMMIT)
        (folder / "snapshots" / COMMIT).mkdir(parents=True, exist_ok=True)
        write(folder / "snapshots" / COMMIT / name)

    return put


def same_backbone(module, state):
    own = module.state_dict()
    return all(torch.equal(own[name], state[name]) for name in own)


def test_torchvisions_published_weights_come_from_the_cache(resnet, tmp_path, capfd):
    path = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    torch.save(resnet.state_dict(), path)
    built = Torchvision("resnet18", "IMAGENET1K_V1").build()
    assert same_backbone(built.module, resnet.state_dict())
    assert built.preprocessing == Preprocessing()
    assert Torchvision("resnet18").build().module.conv1.weight.equal(built.module.conv1.weight)
    assert capfd.readouterr().err == ""


def test_without_a_connection_torchvisions_weights_are_an_error(resnet, tmp_path, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    path = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    with pytest.raises(WeightsError, match=f"cannot fetch resnet18 IMAGENET1K_V1 .*{path}"):
        Torchvision("resnet18").build()


def test_a_local_file_fits_with_other_classes_and_auxiliary_heads(tmp_path):
    torch.manual_seed(3)
    trained = models.inception_v3(
        weights=None, init_weights=False, num_classes=5, transform_input=True
    )
    torch.save({"state_dict": trained.state_dict()}, tmp_path / "w.pth")
    built = Torchvision("inception_v3", str(tmp_path / "w.pth")).build()
    colours = torch.rand(2, 3, 75, 75, generator=torch.Generator().manual_seed(0))

    def normalised(mean, std):
        return (colours - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)

    # torchvision takes ImageNet's mean and std and renormalises inside: the result is the same.
    imagenet = normalised((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    expected = last_layer_input(trained.eval(), "fc", imagenet)
    with torch.no_grad():
        preprocessing = built.preprocessing
        features = built.module.eval()(normalised(preprocessing.mean, preprocessing.std))
    torch.testing.assert_close(features, expected.flatten(1), rtol=1e-4, atol=1e-5)


def test_old_files_of_torchvision_fit(tmp_path):
    densenet = models.densenet121(weights=None).state_dict()
    old = {
        re.sub(r"(denselayer\d+\.\w+)([12])\.", r"\1.\2.", name): t for name, t in densenet.items()
    }
    old = {name: t for name, t in old.items() if not name.endswith("num_batches_tracked")}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "w.pth")
    built = Torchvision("densenet121", str(tmp_path / "w.pth")).build()
    assert same_backbone(built.module, densenet)


def test_weights_that_do_not_fit_are_an_error_with_both_shapes(resnet, tmp_path):
    state = resnet.state_dict() | {"conv1.weight": torch.zeros(64, 1, 7, 7)}
    save_file(state, tmp_path / "w.safetensors")
    message = r"conv1\.weight is \(64, 1, 7, 7\) in the file and \(64, 3, 7, 7\) in the network"
    for kind in (Torchvision, Timm):
        with pytest.raises(WeightsError, match=message):
            kind("resnet18", str(tmp_path / "w.safetensors")).build()


@pytest.mark.parametrize("kind", [Torchvision, Timm])
def test_the_starter_weights_fit_both_and_bring_their_preprocessing(
    resnet, tmp_path, monkeypatch, kind
):
    preprocessing = Preprocessing(size=64, resize=72)
    state = {n: t.half() if t.is_floating_point() else t for n, t in resnet.state_dict().items()}
    path = tmp_path / "starter.safetensors"
    save_file(state, path, {"preprocessing": json.dumps(asdict(preprocessing))})
    monkeypatch.setattr(weights, "STARTER", path)
    built = kind("resnet18", "starter").build()
    assert built.preprocessing == preprocessing
    assert built.module.conv1.weight.dtype == torch.float32
    assert built.module.conv1.weight.detach().equal(state["conv1.weight"].float())


def test_a_network_of_fixed_size_is_built_for_the_size_in_its_file(tmp_path):
    preprocessing = Preprocessing(size=64, resize=64)
    whole = timm.create_model("test_vit", img_size=64)
    path = tmp_path / "w.safetensors"
    save_file(whole.state_dict(), path, {"preprocessing": json.dumps(asdict(preprocessing))})
    built = Timm("test_vit", str(path)).build()
    with torch.no_grad():
        assert built.module(noise(3, 64)).shape == (2, built.num_features)


@pytest.mark.parametrize("channels", [1, 5])
def test_torchvisions_networks_take_other_images(tmp_path, channels):
    whole = models.resnet18()
    save_file(whole.state_dict(), tmp_path / "w.safetensors")
    backbone = Torchvision("resnet18", str(tmp_path / "w.safetensors"), channels=channels)
    built = backbone.build()
    expected = adapt_input_conv(channels, whole.conv1.weight)
    assert torch.equal(built.module.conv1.weight, expected)
    assert torch.equal(built.module.layer1[0].conv1.weight, whole.layer1[0].conv1.weight)
    assert built.preprocessing.channels == channels
    assert built.notes == (stem_note("conv1.weight", channels),)
    assert "torchvision's networks take images of 3 channels" in built.own_loader
    save_file(built.module.state_dict(), tmp_path / "w.safetensors")  # its own, taken as they are
    again = replace(backbone, weights=str(tmp_path / "w.safetensors")).build()
    assert torch.equal(again.module.conv1.weight, expected)
    assert again.notes == ()
    rebuilt = backbone.rebuild(built.config).module
    assert rebuilt.conv1.weight.shape == expected.shape
    with torch.no_grad():
        assert built.module(noise(channels, 64)).shape == (2, 512)


def test_random_weights_of_other_images_are_drawn():
    one, two = (Torchvision("resnet18", "none", channels=5).build() for _ in range(2))
    assert one.notes == ()
    weight = one.module.conv1.weight
    assert torch.isfinite(weight).all()
    assert not torch.equal(weight[:, 0], weight[:, 3])
    assert not torch.equal(weight, two.module.conv1.weight)


def test_a_file_for_colour_is_adapted_to_five_channels(tmp_path):
    whole = timm.create_model("test_resnet", num_classes=4)
    save_file(whole.state_dict(), tmp_path / "w.safetensors")
    built = Timm("test_resnet", str(tmp_path / "w.safetensors"), channels=5).build()
    expected = adapt_input_conv(5, whole.get_submodule("conv1.0").weight)
    assert torch.equal(built.module.get_submodule("conv1.0").weight, expected)
    assert built.notes == (stem_note("conv1.0.weight", 5),)
    mean = built.preprocessing.mean
    assert (len(mean), mean[3:]) == (5, mean[:2])


def test_a_file_for_colour_is_adapted_to_grey_images(tmp_path):
    whole = timm.create_model("test_resnet", num_classes=4)
    save_file(whole.state_dict(), tmp_path / "w.safetensors")
    built = Timm("test_resnet", str(tmp_path / "w.safetensors"), channels=1).build()
    expected = whole.get_submodule("conv1.0").weight.sum(1, keepdim=True)
    torch.testing.assert_close(built.module.get_submodule("conv1.0").weight, expected)
    assert built.preprocessing.channels == 1
    with torch.no_grad():
        assert built.module(noise(1, 64)).shape == (2, built.num_features)


def rebuilt(backbone, built):
    """Whether a backbone gives the same network without weights, as a run is loaded."""
    again = backbone.rebuild(json.loads(json.dumps(built.config)))
    again.module.load_state_dict(built.module.state_dict())
    assert (again.stages, again.num_features) == (built.stages, built.num_features)
    assert again.classifier == built.classifier
    size = built.preprocessing.size
    with torch.no_grad():
        images = noise(built.preprocessing.channels, size)
        return torch.equal(built.module.eval()(images), again.module.eval()(images))


@pytest.mark.parametrize(("model", "fixed"), [("test_vit", {"img_size": 96}), ("test_resnet", {})])
def test_a_network_is_rebuilt_for_the_size_of_weights_that_are_gone(tmp_path, model, fixed):
    """A transformer has an embedding for each patch: its own size has other shapes."""
    path = tmp_path / "own.safetensors"
    preprocessing = json.dumps(asdict(Preprocessing(size=96, resize=96)))
    whole = timm.create_model(model, num_classes=2, **fixed)
    save_file(whole.state_dict(), path, {"preprocessing": preprocessing})
    built = Timm(model, str(path)).build()
    path.unlink()
    assert rebuilt(Timm(model, str(path)), built)


def test_torchvisions_transformer_is_built_at_another_size(tmp_path, monkeypatch):
    def tiny(_, size):
        return models.VisionTransformer(size, 32, 1, 2, 8, 16)

    monkeypatch.setattr(published, "torchvision_module", tiny)
    trained = tiny("", 224).state_dict()
    torch.save({"model": trained}, tmp_path / "w.pth")
    backbone = Torchvision("vit_b_32", str(tmp_path / "w.pth"))
    built = backbone.build_at(64)
    assert rebuilt(backbone, replace(built, preprocessing=built.preprocessing.sized(64)))
    table = "encoder.pos_embedding"
    expected = models.vision_transformer.interpolate_embeddings(64, 32, dict(trained))
    assert built.module.state_dict()[table].equal(expected[table])
    assert built.config == {"size": 64}
    assert built.notes == (
        "the backbone takes the file's tensors under 'model'",
        f"{table} is resized from (1, 50, 8) to (1, 5, 8), for images of 64 pixels, as "
        "torchvision does it",
    )


def test_a_size_that_torchvisions_network_does_not_take_is_named():
    with pytest.raises(ValueError, match=r"transforms\.size must be .*, got 100: .*leave "):
        Torchvision("vit_b_32", "none").build_at(100)


def test_torchvisions_networks_are_rebuilt():
    built = Torchvision("resnet18", "starter").build()
    assert rebuilt(Torchvision("resnet18", "gone.pth"), built)


def test_a_run_of_before_is_rebuilt_from_its_options_alone():
    built = Timm("test_resnet", "none").build()
    assert rebuilt(Timm("test_resnet", "gone.pth"), replace(built, config={}))


def test_timms_published_weights_are_resized(hub, tmp_path):
    whole = timm.create_model("test_vit")
    hub("timm/test_vit.r160_in1k", "model.safetensors", lambda p: save_file(whole.state_dict(), p))
    built = Timm("test_vit").build_at(96)
    file = next(tmp_path.rglob("model.safetensors"))
    overlay = {"file": str(file), "hf_hub_id": None}
    expected = timm.create_model(
        "test_vit", pretrained=True, pretrained_cfg_overlay=overlay, num_classes=0, img_size=96
    )
    assert same_backbone(built.module, expected.state_dict())
    assert built.notes[0].startswith("pos_embed is resized from (1, 101, 64) to (1, 37, 64)")
    assert built.config["size"] == 96
    assert built.preprocessing.size == 160  # of the weights; the recipe's is transforms.size


@pytest.mark.parametrize("channels", [3, 1])
def test_timms_published_weights_come_from_the_hubs_cache(hub, channels, capfd):
    whole = timm.create_model("test_vit").eval()
    hub("timm/test_vit.r160_in1k", "model.safetensors", lambda p: save_file(whole.state_dict(), p))
    built = Timm("test_vit", "r160_in1k", channels=channels).build()
    grey = noise(1, 160)
    with torch.no_grad():
        expected = whole.forward_head(
            whole.forward_features(grey.expand(-1, 3, -1, -1)), pre_logits=True
        )
        images = grey.expand(-1, 3, -1, -1) if channels == 3 else grey
        torch.testing.assert_close(built.module.eval()(images), expected, rtol=1e-4, atol=1e-5)
    assert built.preprocessing.size == 160
    assert "state_dict" not in built.module.pretrained_cfg
    assert capfd.readouterr().err == ""


def test_timms_published_weights_must_fit(hub):
    state = timm.create_model("test_vit").state_dict()
    del state["norm.weight"]
    hub("timm/test_vit.r160_in1k", "model.safetensors", lambda p: save_file(state, p))
    with pytest.raises(WeightsError, match=r"do not fit test_vit(.|\n)*norm\.weight"):
        Timm("test_vit").build()


def test_a_repository_on_the_hub_brings_its_own_configuration(hub):
    whole = timm.create_model("test_vit", num_classes=3, img_size=96)
    config = {
        "architecture": "test_vit",
        "num_classes": 3,
        "model_args": {"img_size": 96},
        "pretrained_cfg": {
            "input_size": [3, 160, 160],
            "fixed_input_size": True,
            "crop_pct": 1.0,
            "classifier": "head",
            "first_conv": "patch_embed.proj",
        },
    }
    hub("me/flowers", "config.json", lambda p: p.write_text(json.dumps(config)))
    hub("me/flowers", "pytorch_model.bin", lambda p: torch.save(whole.state_dict(), p))
    built = Timm("test_vit", "hf-hub:me/flowers").build()
    assert same_backbone(built.module, whole.state_dict())
    assert (built.preprocessing.size, built.preprocessing.resize) == (96, 96)
    assert rebuilt(Timm("test_vit", "hf-hub:me/gone"), built)
    with pytest.raises(WeightsError, match="write model = 'test_vit'"):
        Timm("resnet18", "hf-hub:me/flowers").build()


def test_both_files_of_a_repository_are_of_one_commit(hub, tmp_path, monkeypatch):
    whole, fetch = timm.create_model("test_resnet", num_classes=0), downloads.fetch_hub
    config = {"architecture": "test_resnet", "num_classes": 0, "pretrained_cfg": {}}
    hub("me/x", "config.json", lambda p: p.write_text(json.dumps(config)))
    hub("me/x", "model.safetensors", lambda p: save_file(whole.state_dict(), p))

    def moved(*asked):
        found = fetch(*asked)
        (tmp_path / "models--me--x" / "refs" / "main").write_text("f" * 40)
        return found

    monkeypatch.setattr(downloads, "fetch_hub", moved)
    assert same_backbone(Timm("test_resnet", "hf-hub:me/x").build().module, whole.state_dict())


def test_without_a_connection_timms_weights_are_an_error(hub):
    with pytest.raises(WeightsError, match=r"cannot fetch test_vit default .*timm--test_vit"):
        Timm("test_vit").build()


@pytest.mark.parametrize(
    ("component", "message"),
    [
        (Torchvision("resnet18", "IMAGENET1K_V3"), "did you mean 'IMAGENET1K_V1'"),
        (Timm("resnet18", "a1_in1"), "did you mean 'a1_in1k'"),
        (
            Torchvision("resnet50", "starter"),
            'must be "resnet18" for weights = "starter", got "resnet50"',
        ),
        (Timm("resnet18", "missing.pth"), r"got missing\.pth \(.*\), which does not exist"),
    ],
)
def test_the_error_for_missing_weights_names_the_nearest(component, message):
    with pytest.raises(WeightsError, match=message):
        component.build()


@pytest.mark.parametrize("weights", ["none", "starter"])
@pytest.mark.parametrize("component", [Timm, Torchvision])
def test_a_key_needs_a_file_to_choose_in(component, weights):
    with pytest.raises(ValueError, match="must be left out where weights names no file, got 'ema'"):
        component("resnet18", weights, weights_key="ema").build()


def test_drop_path_reaches_the_blocks_or_is_refused():
    blocks = Timm("test_vit", "none", drop_path=0.3).build().module.blocks
    assert blocks[-1].drop_path1.drop_prob == pytest.approx(0.3)
    with pytest.raises(ValueError, match="dla46x_c has no drop_path"):
        Timm("dla46x_c", "none", drop_path=0.3).build()


@pytest.mark.parametrize(
    "options", [{"channels": 0}, {"channels": 65}, {"drop_path": 1.0}, {"drop_path": -0.1}]
)
def test_options_out_of_range_are_refused(options):
    ((name, value),) = options.items()
    with pytest.raises(ValueError, match=f"{name} must be .*, got {value}"):
        Timm(**options)
