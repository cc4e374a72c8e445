"""What a run leaves of its model: the whole model, and the head by itself. Safetensors and JSON
only.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from tlf.errors import WeightsError
from tlf.preprocessing import Preprocessing
from tlf.sealed import read_sealed, write_sealed

if TYPE_CHECKING:
    from tlf.model import Classifier

GOLDEN = ("golden.features", "golden.logits")
"""What the head's file has besides the head's tensors."""


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
    num_features: int
    """F."""
    classifier: str
    """The name under which the architecture keeps its classifier; the head's tensors stand under
    it."""
    metrics: Mapping[str, float]
    plugins: Mapping[str, str]
    """Plugin → distribution and version, where head or backbone are a third party's."""
    tlf: str
    """The version of tlf that wrote the file."""


def save_model(path: Path, classifier: "Classifier", card: Card) -> None:
    """Write backbone and head under the architecture's own names, so that a model with a linear
    head loads into timm's or torchvision's model of that name.
    """
    tensors = dict(classifier.backbone.state_dict())
    tensors |= {f"{card.classifier}.{k}": v for k, v in classifier.head.state_dict().items()}
    write_sealed(path, tensors, _told(card))


def load_model(path: Path, classifier: "Classifier") -> None:
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


def save_head(path: Path, classifier: "Classifier", card: Card, features: Tensor) -> None:
    """Write the head by itself, with what an app needs to know, and a golden pair: ``features``
    of one picture (1, F), or (1, F, H, W) or (1, N, F) for a head that pools, and the logits (1,
    K) that belong to them.
    """
    # On the CPU, where most apps will recompute them: a GPU may round to fewer bits.
    head, features = deepcopy(classifier.head).cpu().eval(), features.cpu()
    with torch.inference_mode():
        golden = dict(zip(GOLDEN, (features, head(features)), strict=True))
    write_sealed(path, head.state_dict() | golden, _told(card))


def read_card(path: Path) -> Card:
    """Read what a file that tlf wrote says about itself.

    Raises:
        RunError: there is no such file, or it is of a newer format.
        WeightsError: it is damaged, or tlf did not write it.
    """
    told = read_sealed(path)
    try:
        how = told["preprocessing"]
        how |= {"mean": tuple(how["mean"]), "std": tuple(how["std"])}
        del how["mode"]  # mean and std say it by their number
        return Card(**{**told, "classes": tuple(told["classes"]),
                       "preprocessing": Preprocessing(**how)})  # fmt: skip
    except (KeyError, TypeError) as error:
        raise WeightsError(f"{path} does not say all of what it is: {error}") from error


def backbone_sha256(classifier: "Classifier") -> str:
    """The identity of a backbone: SHA-256 of its tensors."""
    from tlf.pretrained.weights import fingerprint  # loading a head is quicker without

    return fingerprint(classifier.backbone.state_dict())


def _told(card: Card) -> dict[str, Any]:
    told = asdict(card)
    told["preprocessing"]["mode"] = "RGB" if card.preprocessing.channels == 3 else "L"
    return told
