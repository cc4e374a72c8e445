"""A trained head on the backbone that it was trained on, and on no other."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from tlf.card import Card
from tlf.classifying import TrainedClassifier
from tlf.errors import WeightsError
from tlf.model import Classifier
from tlf.pretrained.weights import fingerprint


def attached(head: nn.Module, card: Card, backbone: nn.Module) -> TrainedClassifier:
    """Join a head and the backbone that it was trained on, which is put into evaluation mode.

    Raises:
        WeightsError: it is another backbone, or none.
    """
    if not isinstance(backbone, nn.Module):
        raise WeightsError(
            f"{type(backbone).__name__} is no backbone; give a torch.nn.Module: "
            f"{described(card.backbone)}, without its classifier"
        )
    found = fingerprint(backbone.state_dict())
    if found != card.backbone["sha256"]:
        raise WeightsError(_other(card, backbone, found))
    if getattr(head, "pools", False) and not hasattr(backbone, "forward_features"):
        raise WeightsError(
            f"this head pools maps or tokens, and a {type(backbone).__name__} has no "
            "forward_features that gives them; load the whole model: tlf.load_classifier"
        )
    stages = {"backbone": [name for name, _ in backbone.named_parameters()]}
    model = Classifier(backbone, head, stages).eval()
    return TrainedClassifier(model, card.classes, card.preprocessing)


def described(backbone: Mapping[str, Any]) -> str:
    """A backbone in a few words.

    >>> described({"kind": "timm", "model": "vit_tiny", "weights": "none", "sha256": "ab" * 32})
    'timm vit_tiny with weights none (SHA-256 abababababab…)'
    """
    model = f" {backbone['model']}" if "model" in backbone else ""
    weights = f" with weights {backbone['weights']}" if "weights" in backbone else ""
    return f"{backbone['kind']}{model}{weights} (SHA-256 {backbone['sha256'][:12]}…)"


def _other(card: Card, backbone: nn.Module, found: str) -> str:
    own = card.classifier
    left = any(name.startswith(f"{own}.") for name in backbone.state_dict())
    advice = (
        f"it still has a classifier of its own: put torch.nn.Identity() in the place of {own}"
        if left
        else "load the weights of the run, model.safetensors, into it"
    )
    return (
        f"this head was trained on {described(card.backbone)}, not on this "
        f"{type(backbone).__name__} (SHA-256 {found[:12]}…); {advice}"
    )
