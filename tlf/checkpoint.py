"""What a run leaves of its model: the whole model, and the head by itself. Safetensors and JSON
only.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from tlf.errors import RunError, WeightsError
from tlf.folders import written_whole
from tlf.model import Classifier
from tlf.pictures import Preprocessing
from tlf.pretrained.weights import fingerprint

FORMAT = 1
"""Of the JSON that stands under the key ``tlf`` of the files' metadata."""


@dataclass(frozen=True)
class Card:
    """What a file of weights says about itself."""

    classes: tuple[str, ...]
    """Class names in the order of the logits."""
    preprocessing: Preprocessing
    head: Mapping[str, Any]
    """Kind and options."""
    backbone: Mapping[str, Any]
    """Kind and options, and ``sha256`` of its tensors."""
    classifier: str
    """The name under which the architecture keeps its classifier; the head's tensors stand under
    it."""
    metrics: Mapping[str, float]
    tlf: str
    """The version of tlf that wrote the file."""


def save_model(path: Path, classifier: Classifier, card: Card) -> None:
    """Write backbone and head under the architecture's own names, so that a model with a linear
    head loads into timm's or torchvision's model of that name.
    """
    tensors = dict(classifier.backbone.state_dict())
    tensors |= {f"{card.classifier}.{k}": v for k, v in classifier.head.state_dict().items()}
    _save(path, tensors, card)


def load_model(path: Path, classifier: Classifier) -> None:
    """Read what ``save_model`` wrote into a classifier of the same make.

    Raises:
        WeightsError: a tensor is missing, left over, or of another shape.
    """
    prefix = f"{read_card(path).classifier}."
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


def save_head(path: Path, classifier: Classifier, card: Card, features: Tensor) -> None:
    """Write the head by itself, with what an app needs to know, and a golden pair: ``features``
    of one picture (1, F), or (1, F, H, W) or (1, N, F) for a head that pools, and the logits (1,
    K) that belong to them.
    """
    with torch.inference_mode():
        logits = classifier.head.eval()(features)
    tensors = dict(classifier.head.state_dict())
    _save(path, tensors | {"golden.features": features, "golden.logits": logits}, card)


def read_card(path: Path) -> Card:
    """Read what a file that tlf wrote says about itself.

    Raises:
        RunError: there is no such file, or it is of a newer format.
        WeightsError: it is damaged, or tlf did not write it.
    """
    if not path.is_file():
        raise RunError(f"there is no {path}; name the folder of a run that has ended")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get("tlf")
    except SafetensorError as error:
        raise WeightsError(f"{path} is damaged: {error}") from error
    if text is None:
        raise WeightsError(f"{path} was not written by tlf: it does not say what it is")
    try:
        return _card(path, json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} is damaged: what it says of itself is not whole") from error


def _card(path: Path, told: dict[str, Any]) -> Card:
    if told.pop("format") > FORMAT:
        raise RunError(f"{path} was written by tlf {told['tlf']}; upgrade: pip install -U tlf")
    how = told["preprocessing"]
    how |= {"mean": tuple(how["mean"]), "std": tuple(how["std"])}
    return Card(**told | {"classes": tuple(told["classes"]), "preprocessing": Preprocessing(**how)})


def backbone_sha256(classifier: Classifier) -> str:
    """The identity of a backbone: SHA-256 of its tensors."""
    return fingerprint(classifier.backbone.state_dict())


def _save(path: Path, tensors: Mapping[str, Tensor], card: Card) -> None:
    text = json.dumps({"format": FORMAT, **asdict(card)}, sort_keys=True)
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        with written_whole(path) as side:
            save_file(plain, side, metadata={"tlf": text})
    except (OSError, SafetensorError) as error:
        raise RunError(f"cannot write {path}: {error}") from error
