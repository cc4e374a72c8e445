"""timm's description of a run's network, as timm reads it."""

import json

import timm

from tlf.inference.metadata import read_metadata
from tlf.preprocessing import Preprocessing
from tlf.pretrained.published import timm_hub_config, timm_preprocessing
from tlf.publishing.timm_config import timm_config, timm_transform


def test_tlf_and_timm_read_it(finished, tmp_path):
    metadata = read_metadata(finished / "head.safetensors")
    path = tmp_path / "config.json"
    path.write_text(json.dumps(timm_config(metadata, "mit")))
    config, options = timm_hub_config(path, "test_resnet")
    assert timm_preprocessing(config) == metadata.preprocessing
    assert (config.license, config.num_classes, options) == ("mit", 2, {})
    model = timm.create_model(f"local-dir:{tmp_path}", pretrained=False)
    assert model.num_classes == 2


def test_timm_resizes_to_the_same_side():
    for size in range(31, 515, 7):
        for resize in (size, size + 1, round(size / 0.875), 2 * size + 1):
            how = timm_transform(Preprocessing(size=size, resize=resize))
            first = timm.data.create_transform(**how, is_training=False).transforms[0]
            assert first.size == resize


def test_a_whole_image_is_squeezed():
    how = timm_transform(Preprocessing(size=32, resize=36, crop="squash"))
    first = timm.data.create_transform(**how, is_training=False).transforms[0]
    assert [*first.size] == [32, 32]
