"""Joining a trained head and its backbone: only the backbone that it was trained on is accepted."""

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
    """Join a head and the backbone that it was trained on, and set both to evaluation mode.

    Raises:
        WeightsError: the backbone is another one, or no module.
    """
    if not isinstance(backbone, nn.Module):
        raise WeightsError(
            f"the backbone must be a torch.nn.Module, got {type(backbone).__name__}; give "
            f"{described(metadata.backbone)}, without its classifier"
        )
    found = fingerprint(backbone.state_dict())
    if found != metadata.backbone["sha256"]:
        raise WeightsError(_mismatch(metadata, backbone, found))
    if getattr(head, "pools", False) and not hasattr(backbone, "forward_features"):
        raise WeightsError(
            f"this head pools feature maps or tokens, and {type(backbone).__name__} has no "
            "forward_features that returns them; load the whole model: tlf.load_classifier"
        )
    stages = {"backbone": [name for name, _ in backbone.named_parameters()]}
    model = Classifier(backbone, head, stages).eval()
    return TrainedClassifier(
        model, metadata.classes, metadata.preprocessing, metadata.task, metadata.precision,
        metadata.calibration,
    )  # fmt: skip


def described(backbone: Mapping[str, Any]) -> str:
    """A short description of a backbone.

    >>> described({"kind": "timm", "model": "vit_tiny", "weights": "none", "sha256": "ab" * 32})
    'timm vit_tiny with weights none (SHA-256 abababababab…)'
    """
    model = f" {backbone['model']}" if "model" in backbone else ""
    weights = f" with weights {backbone['weights']}" if "weights" in backbone else ""
    return f"{backbone['kind']}{model}{weights} (SHA-256 {backbone['sha256'][:12]}…)"


def _mismatch(metadata: Metadata, backbone: nn.Module, found: str) -> str:
    return (
        f"this head was trained on {described(metadata.backbone)}, not on this "
        f"{type(backbone).__name__} (SHA-256 {found[:12]}…); {_advice(metadata, backbone)}"
    )


def _advice(metadata: Metadata, backbone: nn.Module) -> str:
    classifier, tensors = metadata.classifier, backbone.state_dict()
    model = metadata.backbone.get("model", metadata.backbone["kind"])
    has_classifier = any(name.startswith(f"{classifier}.") for name in tensors)
    weight = tensors.get(f"{classifier}.weight")
    if weight is not None and weight.ndim > 1:
        width = weight.shape[1]
    else:
        # With a classifier still in it, a trial would measure the classifier's output.
        width = None if has_classifier else _width(backbone, metadata.preprocessing)
    if width not in (metadata.num_features, None):
        return (
            f"this is another architecture: it must give {metadata.num_features} features, got "
            f"{width}; build {model}, and load the run's model.safetensors into it"
        )
    if has_classifier:
        return (
            "the backbone must have no classifier of its own, got one under the name "
            f"{classifier}; write {classifier} = torch.nn.Identity()"
        )
    return (
        f"if it is {model}, load the weights of the run, model.safetensors, into it; "
        "they fit no other architecture"
    )


def _width(backbone: nn.Module, preprocessing: Preprocessing) -> int | None:
    """The number of its features; None where it cannot take an image of this size."""
    image = torch.zeros(1, preprocessing.channels, preprocessing.size, preprocessing.size)
    try:
        trial = deepcopy(backbone).eval()  # the caller's module keeps its mode
        if (own := next(trial.parameters(), None)) is not None:
            image = image.to(own)
        with torch.inference_mode():
            return int(trial(image).shape[-1])
    except Exception:  # any module may come here, and may raise anything on this image
        return None
