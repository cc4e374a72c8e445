"""Networks of timm with the weights of a file: equal to timm's own, to the bit."""

from dataclasses import replace

import pytest
import timm
import torch
from safetensors.torch import save_file

from tlf.errors import WeightsError
from tlf.pretrained.published import timm_config
from tlf.pretrained.timm_network import TimmNetwork
from tlf.pretrained.weights import read

TABLE = "layers.3.blocks.0.attn.relative_position_bias_table"


def network(architecture, size, channels=3):
    return TimmNetwork(architecture, timm_config(architecture), size, {"in_chans": channels})


def stored(path, architecture, change=lambda tensors: tensors, **options):
    """A file of a network with 5 classes, under the names of a Lightning module."""
    torch.manual_seed(1)
    tensors = change(timm.create_model(architecture, num_classes=5, **options).state_dict())
    torch.save({"state_dict": {f"model.{k}": v for k, v in tensors.items()}}, path / "w.ckpt")
    torch.save(tensors, path / "w.pth")
    return read(path / "w.ckpt")


def timms_own(path, architecture, **options):
    overlay = {"file": str(path / "w.pth"), "num_classes": 5}
    return timm.create_model(
        architecture, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=0, **options
    )


@pytest.mark.filterwarnings("ignore:Using a non-tuple", "ignore:torch.bucketize")
@pytest.mark.parametrize(
    ("architecture", "size", "channels", "told"),
    [
        ("test_vit", 96, 3, "pos_embed is resized from (1, 101, 64) to (1, 37, 64), for images"),
        ("test_vit", 160, 1, "patch_embed.proj.weight is adapted to grey images, as timm does"),
        ("test_vit", 192, 1, "patch_embed.proj.weight is adapted to grey images, as timm does"),
        ("test_resnet", 96, 1, "conv1.0.weight is adapted to grey images, as timm does it"),
        ("swin_tiny_patch4_window7_224", 128, 3, f"{TABLE} is resized from (169, 24) to (49, 24)"),
    ],
)
def test_a_network_at_another_size_is_timms_own(tmp_path, architecture, size, channels, told):
    file = stored(tmp_path, architecture)
    module, notes = network(architecture, size, channels).with_file(file)
    sized = {"img_size": size} if "resnet" not in architecture else {}
    expected = timms_own(tmp_path, architecture, in_chans=channels, **sized).eval()
    own, given = module.state_dict(), expected.state_dict()
    assert own.keys() == given.keys()
    assert all(torch.equal(own[name], given[name]) for name in given)
    with torch.no_grad():
        images = torch.randn(1, channels, size, size)
        assert torch.equal(module.eval()(images), expected(images))
    place, *rest = notes
    assert place == "the backbone takes the file's tensors under 'state_dict.model'"
    assert any(note.startswith(told) for note in rest)


def test_a_file_of_another_size_than_the_network_is_resized(tmp_path):
    file = stored(tmp_path, "test_vit", img_size=96)
    module, notes = network("test_vit", 160).with_file(file)
    assert module.pos_embed.shape == (1, 101, 64)
    assert "from (1, 37, 64) to (1, 101, 64), for images of 160 pixels" in notes[-1]


def test_timms_older_files_are_converted(tmp_path):
    """Patches were once embedded by a linear layer."""
    kernel = "patch_embed.proj.weight"
    file = stored(tmp_path, "test_vit", lambda own: own | {kernel: own[kernel].flatten(1)})
    module, _ = network("test_vit", 160).with_file(file)
    flat = read(tmp_path / "w.pth").tensors[kernel]
    assert module.get_parameter(kernel).flatten(1).equal(flat)


@pytest.mark.parametrize("kind", [torch.int32, torch.complex64])
def test_timm_converts_no_kind_of_number_into_another(tmp_path, kind):
    file = stored(tmp_path, "test_vit", lambda own: own | {"norm.bias": own["norm.bias"].to(kind)})
    for size in (96, 160):  # resized by timm, and as it is
        with pytest.raises(WeightsError, match=f"norm.bias is {kind} in the file and torch.float"):
            network("test_vit", size).with_file(file)


def test_a_network_that_timm_cannot_resize_says_so(tmp_path):
    file = stored(tmp_path, "pit_ti_224")
    with pytest.raises(
        WeightsError,
        match=r"1 of another shape or type: pos_embed is .*here to 128 pixels: leave transforms",
    ):
        network("pit_ti_224", 128).with_file(file)


def test_a_size_that_a_network_does_not_take_is_named():
    with pytest.raises(ValueError, match=r"transforms\.size must be .*, got 100: .*divide image"):
        network("xcit_nano_12_p8_224", 100).random()


def test_resized_weights_must_be_finite(tmp_path):
    def spoilt(tensors):
        tensors["blocks.0.norm1.weight"][3] = float("nan")
        return tensors

    file = stored(tmp_path, "test_vit", spoilt)
    with pytest.raises(WeightsError, match=r"pos_embed is \(1, 101, 64\) in the file"):
        network("test_vit", 96).with_file(file)


def test_a_file_of_another_network_says_how_many_names_match(tmp_path):
    save_file({"features.0.weight": torch.zeros(2), "norm.weight": torch.zeros(64)},
              tmp_path / "w.safetensors")  # fmt: skip
    with pytest.raises(WeightsError, match=r"1 of its 78 names are in the file; 77 missing: .* and "
                       r"74 more; 1 not part of the network: features\.0\.weight$"):  # fmt: skip
        network("test_vit", 160).with_file(read(tmp_path / "w.safetensors"))


@pytest.mark.parametrize(
    "name", ["pretrained", "pretrained_cfg_overlay", "checkpoint_path", "device"]
)
def test_options_of_a_file_make_timm_fetch_and_read_nothing(name):
    hostile = replace(network("test_vit", 160), options={name: "/nowhere"})
    with pytest.raises(WeightsError, match=f"must describe its layers, got {name}; use a file"):
        hostile.random()
