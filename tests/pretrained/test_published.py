import json
from dataclasses import replace

import pytest
import timm
from accelerate import init_empty_weights
from torchvision import models

from tlf.errors import WeightsError
from tlf.preprocessing import Preprocessing
from tlf.pretrained import published


def test_torchvisions_preprocessing_is_that_of_the_weights():
    entries = published.torchvision_weights("efficientnet_b3")
    preprocessing = published.torchvision_preprocessing(
        "efficientnet_b3", entries["DEFAULT"].transforms()
    )
    assert preprocessing == Preprocessing(size=300, resize=320, interpolation="bicubic")


def test_networks_that_renormalise_inside_get_the_same_from_outside():
    entry = published.torchvision_weights("googlenet")["DEFAULT"]
    preprocessing = published.torchvision_preprocessing("googlenet", entry.transforms())
    assert (preprocessing.mean, preprocessing.std) == ((0.5,) * 3, (0.5,) * 3)


@pytest.mark.parametrize("name", models.list_models(module=models))
def test_every_network_of_torchvision_says_how_images_are_prepared(name):
    for entry in published.torchvision_weights(name).values():
        preprocessing = published.torchvision_preprocessing(name, entry.transforms())
        assert preprocessing.resize >= preprocessing.size >= 176
        assert preprocessing.interpolation in {"bilinear", "bicubic"}


def test_timms_preprocessing_is_that_of_the_tag():
    a1, tv = (published.timm_config("resnet18", tag) for tag in ("a1_in1k", "tv_in1k"))
    assert published.timm_preprocessing(a1) == Preprocessing(resize=235, interpolation="bicubic")
    assert published.timm_preprocessing(tv) == Preprocessing()
    squashed = published.timm_preprocessing(published.timm_config("dm_nfnet_f0"))
    assert (squashed.size, squashed.crop) == (192, "squash")


def test_every_network_of_timm_says_how_images_are_prepared():
    for name in timm.list_models(pretrained=True):
        preprocessing = published.timm_preprocessing(published.timm_config(name))
        assert preprocessing.resize >= preprocessing.size >= 96, name
        assert preprocessing.interpolation in {"bilinear", "bicubic"}, name
        assert preprocessing.channels == 3, name


def test_a_tag_is_in_model_or_in_weights():
    assert published.timm_config("resnet18.a1_in1k").tag == "a1_in1k"
    assert published.timm_config("resnet18.a1_in1k", "a1_in1k").tag == "a1_in1k"
    with pytest.raises(
        WeightsError, match=r"must be in model or in weights, got 'a1_in1k' and 'a2_in1k'"
    ):
        published.timm_config("resnet18.a1_in1k", "a2_in1k")


@pytest.mark.parametrize("model", ["resnet18.a1_in1", "resnet18"])
def test_an_unknown_tag_is_answered_with_the_nearest(model):
    with pytest.raises(WeightsError, match="did you mean 'a1_in1k'"):
        published.timm_config(model, None if "." in model else "a1_in1")


def test_an_empty_name_is_no_name_of_weights():
    with pytest.raises(WeightsError, match="no weights '' are published for resnet18; Known: a1"):
        published.timm_published("resnet18", "")


def test_an_architecture_without_published_weights_says_so():
    with pytest.raises(WeightsError, match="publishes no weights for coatnet_0_224"):
        published.timm_published("coatnet_0_224", "default")


@pytest.mark.parametrize(
    ("look_up", "name"),
    [(published.torchvision_weights, "resnet19"), (published.timm_architecture, "resnet19.a1")],
)
def test_an_unknown_network_is_answered_with_the_nearest(look_up, name):
    with pytest.raises(ValueError, match=r"no model 'resnet19'; did you mean 'resnet1"):
        look_up(name)


def test_old_names_become_todays():
    densenet, vit = "features.denseblock1.denselayer2.", "encoder.layers.encoder_layer_3.mlp."
    old = [
        f"{densenet}norm.1.weight",
        f"{vit}linear_1.weight",
        f"{vit}linear_2.bias",
        "conv.1.bias",
    ]
    new = [f"{densenet}norm1.weight", f"{vit}0.weight", f"{vit}3.bias", "conv.1.bias"]
    assert list(published.torchvision_names(dict.fromkeys(old))) == new


def test_a_vision_transformer_is_built_for_its_size_of_image():
    with init_empty_weights():
        vit = published.torchvision_module("vit_b_32", 64)
    assert vit.encoder.pos_embedding.shape == (1, 1 + 2 * 2, 768)


def test_a_hub_configuration_is_read_nested_and_flat(tmp_path):
    details = {"input_size": [3, 160, 160], "classifier": "fc", "num_classes": 1000}
    nested = {
        "architecture": "resnet18",
        "num_classes": 7,
        "pretrained_cfg": details,
        "model_args": {"img_size": 96},
    }
    (tmp_path / "nested.json").write_text(json.dumps(nested))
    config, options = published.timm_hub_config(tmp_path / "nested.json", "resnet18")
    assert (config.num_classes, config.classifier, options) == (7, "fc", {"img_size": 96})
    assert published.timm_preprocessing(config).size == 96
    (tmp_path / "flat.json").write_text(json.dumps({"architecture": "resnet18", **details}))
    config, options = published.timm_hub_config(tmp_path / "flat.json", "resnet18")
    assert (published.timm_preprocessing(config).size, options) == (160, {})


def test_a_hub_configuration_of_something_else_is_refused(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"architecture": "resnet50"}))
    with pytest.raises(WeightsError, match="of resnet50, not resnet18; write model = 'resnet50'"):
        published.timm_hub_config(path, "resnet18")
    path.write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(WeightsError, match="not weights of timm"):
        published.timm_hub_config(path, "resnet18")
    for text in ("{", "[1]", "null", "[" * 100_000, '{"architecture": "resnet18", "model_args": 1}',
                 '{"architecture": "resnet18", "input_size": [3, "a", "b"]}',
                 '{"architecture": "resnet18", "crop_pct": 0}',
                 '{"architecture": "resnet18", "std": [0, 1, 1]}'):  # fmt: skip
        path.write_text(text)
        with pytest.raises(WeightsError, match="cannot be read as timm's description"):
            published.timm_hub_config(path, "resnet18")


def test_stored_preprocessing_comes_back_as_it_was():
    preprocessing = Preprocessing(size=64, resize=64, crop="squash", mean=(0.1,), std=(0.2,))
    text = json.dumps(preprocessing.__dict__)
    assert published.stored_preprocessing({"preprocessing": text}) == preprocessing
    assert published.stored_preprocessing({"format": "pt"}) is None


@pytest.mark.parametrize(
    "text",
    ["{", '{"sise": 64}', "[1]", '{"size": -1}', "[" * 100_000, '{"size": ' + "9" * 5000 + "}"],
)
def test_stored_preprocessing_that_is_not_tlfs_is_refused(text):
    with pytest.raises(WeightsError, match="preprocessing cannot be read"):
        published.stored_preprocessing({"preprocessing": text})


def test_grey_images_get_the_mean_of_the_colours_figures():
    grey = published.with_channels(Preprocessing(), 1)
    assert grey.mean == pytest.approx((0.449,))
    assert grey.std == pytest.approx((0.226,))
    assert published.with_channels(grey, 1) is grey
    assert replace(grey, mean=(0.0,) * 3, std=(1.0,) * 3).channels == 3
