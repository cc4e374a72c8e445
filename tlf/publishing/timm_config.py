"""The description of a network by which ``timm.create_model("hf-hub:…")`` builds it again."""

from typing import Any

from tlf.exports.own_network import timm_options
from tlf.inference.metadata import Metadata
from tlf.preprocessing import Preprocessing
from tlf.pretrained import published

_KEPT = ("first_conv", "classifier", "fixed_input_size", "pool_size")
"""What timm's own description of the architecture says about its layers."""


def timm_config(metadata: Metadata, licence: str) -> dict[str, Any]:
    """The content of config.json, as timm writes and reads it.

    Parameters:
        metadata: of a model with a backbone of timm and a linear head.
        licence: of the model.
    """
    model, classes = str(metadata.backbone["model"]), len(metadata.classes)
    known = published.timm_config(model)
    return {
        "architecture": published.timm_architecture(model),
        "num_classes": classes,
        "num_features": metadata.num_features,
        "label_names": [*metadata.classes],
        "model_args": timm_options(metadata),
        "pretrained_cfg": {
            "num_classes": classes,
            **timm_transform(metadata.preprocessing),
            **{key: getattr(known, key) for key in _KEPT},
            "license": licence,
        },
    }


def timm_transform(preprocessing: Preprocessing) -> dict[str, Any]:
    """What ``timm.data.create_transform`` takes to prepare images in the same way.

    >>> timm_transform(Preprocessing(size=128, resize=146))["crop_pct"] > 128 / 147
    True
    """
    size = preprocessing.size
    squash = preprocessing.crop == "squash"
    return {
        "input_size": [preprocessing.channels, size, size],
        "interpolation": preprocessing.interpolation,
        # timm rounds size / crop_pct down: half a pixel keeps it away from the next number.
        "crop_pct": 1.0 if squash else size / (preprocessing.resize + 0.5),
        "crop_mode": "squash" if squash else "center",
        "mean": [*preprocessing.mean],
        "std": [*preprocessing.std],
    }
