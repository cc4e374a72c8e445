"""The model files of a run: the whole model, and the head alone. Safetensors and JSON only."""

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from tlf.errors import WeightsError
from tlf.inference.metadata import GOLDEN, Metadata, as_json, read_metadata
from tlf.inference.sealed_file import write_sealed
from tlf.model import Classifier
from tlf.pretrained.weights import fingerprint, fit


def save_model(path: Path, classifier: Classifier, metadata: Metadata) -> None:
    """Write backbone and head under the tensor names of the architecture, so that timm or
    torchvision can load a model with a linear head.
    """
    tensors = dict(classifier.backbone.state_dict())
    tensors |= {f"{metadata.classifier}.{k}": v for k, v in classifier.head.state_dict().items()}
    save_tensors(path, tensors, metadata)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Metadata) -> None:
    """Write a whole model under other names of tensors, with the same metadata."""
    write_sealed(path, tensors, as_json(metadata), metadata.format)


def load_model(path: Path, classifier: Classifier) -> None:
    """Load a file of ``save_model`` into a classifier of the same architecture.

    Raises:
        WeightsError: a tensor is missing, unknown, or of another shape.
    """
    tensors = model_tensors(path)
    try:
        fit(classifier, tensors)
    except WeightsError as error:
        raise WeightsError(f"{path} does not fit the model of its recipe: {error}") from error


def model_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of ``save_model``, as a classifier names them.

    Raises:
        RunError: there is no such file.
        WeightsError: it is damaged.
    """
    prefix = f"{read_metadata(path).classifier}."
    try:
        tensors = load_file(path)
    except Exception as error:  # whole, and yet forged: safetensors and torch may raise anything
        raise WeightsError(f"{path} is not a whole safetensors file: {error}") from error
    return {
        f"head.{name.removeprefix(prefix)}"
        if name.startswith(prefix)
        else f"backbone.{name}": value
        for name, value in tensors.items()
    }


def save_head(path: Path, classifier: Classifier, metadata: Metadata, features: Tensor) -> None:
    """Write the head alone, with its metadata and a golden pair: features and their logits (1, K).

    Parameters:
        path: the file.
        classifier: the model.
        metadata: its metadata.
        features: of one image: (1, F), or (1, F, H, W) or (1, N, F) for a head that pools.
    """
    # The pair is computed on the CPU, as most apps will recompute it: a GPU may round differently.
    head, features = deepcopy(classifier.head).cpu().eval(), features.cpu()
    with torch.inference_mode():
        golden = dict(zip(GOLDEN, (features, head(features)), strict=True))
    write_sealed(path, head.state_dict() | golden, as_json(metadata), metadata.format)


def backbone_sha256(classifier: Classifier) -> str:
    """SHA-256 of a backbone's tensors, which identifies it."""
    return fingerprint(classifier.backbone.state_dict())


def recorded_eval_images(run: Path) -> str | None:
    """The SHA-256 over the names, labels and bytes of a run's eval images, as its provenance.json
    has it; None if it cannot be read.
    """
    hashes = recorded(run).get("data_sha256")
    digest = hashes.get("eval") if isinstance(hashes, dict) else None
    return digest if isinstance(digest, str) else None


def same_eval_images(run: Path, other: Path) -> bool:
    """Whether two runs have recorded that their eval images are the same, to the byte."""
    return recorded_eval_images(run) == recorded_eval_images(other) is not None


def recorded(run: Path) -> Mapping[str, Any]:
    """What the provenance.json of a run says; nothing if it cannot be read."""
    try:
        found = json.loads((run / "provenance.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
