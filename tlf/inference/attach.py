"""A trained head on the backbone that it was trained on, and on no other."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import nn

from tlf.errors import WeightsError
from tlf.inference.classifier import TrainedClassifier
from tlf.inference.metadata import Metadata
from tlf.model import Classifier
from tlf.preprocessing import Preprocessing
from tlf.pretrained.weights import fingerprint


def attached(head: nn.Module, metadata: Metadata, backbone: nn.Module) -> TrainedClassifier:
    """Join a head and the backbone that it was trained on, which is put into evaluation mode.

    Raises:
        WeightsError: it is another backbone, or none.
    """
    if not isinstance(backbone, nn.Module):
        raise WeightsError(
            f"{type(backbone).__name__} is no backbone; give a torch.nn.Module: "
            f"{described(metadata.backbone)}, without its classifier"
        )
    found = fingerprint(backbone.state_dict())
    if found != metadata.backbone["sha256"]:
        raise WeightsError(_other(metadata, backbone, found))
    if getattr(head, "pools", False) and not hasattr(backbone, "forward_features"):
        raise WeightsError(
            f"this head pools maps or tokens, and a {type(backbone).__name__} has no "
            "forward_features that gives them; load the whole model: tlf.load_classifier"
        )
    stages = {"backbone": [name for name, _ in backbone.named_parameters()]}
    model = Classifier(backbone, head, stages).eval()
    return TrainedClassifier(model, metadata.classes, metadata.preprocessing, metadata.task)


def described(backbone: Mapping[str, Any]) -> str:
    """A backbone in a few words.

    >>> described({"kind": "timm", "model": "vit_tiny", "weights": "none", "sha256": "ab" * 32})
    'timm vit_tiny with weights none (SHA-256 abababababab…)'
    """
    model = f" {backbone['model']}" if "model" in backbone else ""
    weights = f" with weights {backbone['weights']}" if "weights" in backbone else ""
    return f"{backbone['kind']}{model}{weights} (SHA-256 {backbone['sha256'][:12]}…)"


def _other(metadata: Metadata, backbone: nn.Module, found: str) -> str:
    return (
        f"this head was trained on {described(metadata.backbone)}, not on this "
        f"{type(backbone).__name__} (SHA-256 {found[:12]}…); {_advice(metadata, backbone)}"
    )


def _advice(metadata: Metadata, backbone: nn.Module) -> str:
    own, tensors = metadata.classifier, backbone.state_dict()
    model = metadata.backbone.get("model", metadata.backbone["kind"])
    kept = any(name.startswith(f"{own}.") for name in tensors)
    weight = tensors.get(f"{own}.weight")
    if weight is not None and weight.ndim > 1:
        width = weight.shape[1]
    else:
        # With a classifier of the user's own in it, a trial would measure that one.
        width = None if kept else _width(backbone, metadata.preprocessing)
    if width not in (metadata.num_features, None):
        return (
            f"this is another architecture, of {width} features where the head takes "
            f"{metadata.num_features}: build {model}, and load the run's model.safetensors into it"
        )
    if kept:
        instead = f"put torch.nn.Identity() in the place of {own}"
        return f"it still has a classifier of its own: {instead}"
    return (
        f"if it is {model}, load the weights of the run, model.safetensors, into it; "
        "they fit no other architecture"
    )


def _width(backbone: nn.Module, preprocessing: Preprocessing) -> int | None:
    """How many numbers it makes of an image; None where it cannot take one of this size."""
    image = torch.zeros(1, preprocessing.channels, preprocessing.size, preprocessing.size)
    try:
        trial = deepcopy(backbone).eval()  # the caller's keeps its mode
        if (own := next(trial.parameters(), None)) is not None:
            image = image.to(own)
        with torch.inference_mode():
            return int(trial(image).shape[-1])
    except Exception:  # a module of anybody's, given an image that it may not be made for
        return None
