"""What a run leaves of its model: the whole model, and the head by itself. Safetensors and JSON
only.
"""

from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from tlf.errors import WeightsError
from tlf.inference.metadata import GOLDEN, Metadata, read_metadata
from tlf.inference.sealed_file import write_sealed
from tlf.model import Classifier
from tlf.pretrained.weights import fingerprint


def save_model(path: Path, classifier: Classifier, metadata: Metadata) -> None:
    """Write backbone and head under the architecture's own names, so that a model with a linear
    head loads into timm's or torchvision's model of that name.
    """
    tensors = dict(classifier.backbone.state_dict())
    tensors |= {f"{metadata.classifier}.{k}": v for k, v in classifier.head.state_dict().items()}
    write_sealed(path, tensors, _about(metadata))


def load_model(path: Path, classifier: Classifier) -> None:
    """Read what ``save_model`` wrote into a classifier of the same make.

    Raises:
        WeightsError: a tensor is missing, left over, or of another shape.
    """
    prefix = f"{read_metadata(path).classifier}."
    own = {
        f"head.{name.removeprefix(prefix)}"
        if name.startswith(prefix)
        else f"backbone.{name}": value
        for name, value in load_file(path).items()
    }
    try:
        classifier.load_state_dict(own)
    except RuntimeError as error:
        raise WeightsError(f"{path} does not fit the model of its recipe: {error}") from error


def save_head(path: Path, classifier: Classifier, metadata: Metadata, features: Tensor) -> None:
    """Write the head by itself, with what an app needs to know, and a golden pair: ``features``
    of one image (1, F), or (1, F, H, W) or (1, N, F) for a head that pools, and the logits (1,
    K) that belong to them.
    """
    # On the CPU, where most apps will recompute them: a GPU may round to fewer bits.
    head, features = deepcopy(classifier.head).cpu().eval(), features.cpu()
    with torch.inference_mode():
        golden = dict(zip(GOLDEN, (features, head(features)), strict=True))
    write_sealed(path, head.state_dict() | golden, _about(metadata))


def backbone_sha256(classifier: Classifier) -> str:
    """The identity of a backbone: SHA-256 of its tensors."""
    return fingerprint(classifier.backbone.state_dict())


def _about(metadata: Metadata) -> dict[str, Any]:
    about = asdict(metadata)
    about["preprocessing"]["mode"] = "RGB" if metadata.preprocessing.channels == 3 else "L"
    return about
