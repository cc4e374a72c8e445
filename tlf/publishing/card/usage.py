"""What the code of a card needs to know: where the files are, and who can load them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tlf.exports.own_network import colour_only, timm_options
from tlf.inference.metadata import Metadata
from tlf.pretrained import published
from tlf.pretrained.sizes import torchvision_sized
from tlf.publishing.card.markdown import Safe
from tlf.publishing.facts import Facts


@dataclass(frozen=True)
class Place:
    """Where the files of a model are, and what is there."""

    repository: str = ""
    """On the hub; empty: in the folder of the run."""
    own_loader: bool = False
    """Whether the backbone's own library loads model.safetensors."""
    onnx: bool = True
    """Whether model.onnx is there, or can be made."""


def usage(facts: Facts, place: Place) -> dict[str, Any]:
    """The values of the templates of code."""
    metadata, repository = facts.metadata, Safe(place.repository)
    preprocessing, kind = metadata.preprocessing, metadata.backbone["kind"]
    onnx = "model.onnx" if repository else "exports/model.onnx"
    return {
        "repository": repository,
        "timm": place.own_loader and kind == "timm",
        "torchvision": place.own_loader and kind == "torchvision",
        "onnx": place.onnx and not preprocessing.prepare,
        "linear": metadata.head["kind"] == "linear",
        "bias": metadata.head.get("bias", True),
        "head_file": _file("head.safetensors", repository),
        "model_file": _file("model.safetensors", repository),
        "onnx_file": _file(onnx, repository),
        "architecture": Safe(repr(str(metadata.backbone.get("model")))),
        "arguments": _arguments(metadata) if place.own_loader else Safe(),
        "squash": preprocessing.crop == "squash",
        "mode": {1: "L"}.get(preprocessing.channels, "RGB"),
        "usual": _usual(metadata),
    }


def _file(name: str, repository: str) -> Safe:
    """An expression of Python that gives the path of a file."""
    return Safe(f'hf_hub_download("{repository}", "{name}")' if repository else f'"{name}"')


def _arguments(metadata: Metadata) -> Safe:
    """What the library takes to build the network, besides its name and the classes."""
    if metadata.backbone["kind"] == "timm":
        options: Mapping[str, Any] = timm_options(metadata)
    else:
        model = metadata.backbone["model"]
        options = torchvision_sized(model, metadata.preprocessing.size)
        options = {**_auxiliary(model), **options}
    return Safe("".join(f", {name}={value!r}" for name, value in options.items()))


def _auxiliary(model: str) -> dict[str, bool]:
    """Networks that are built with classifiers for training, unless it is forbidden."""
    named = model in published.RENORMALISED
    return {"aux_logits": False, "init_weights": True} if named else {}


def _usual(metadata: Metadata) -> bool:
    """Whether Pillow and eight bits prepare images as the run did."""
    how = metadata.preprocessing
    common = how.depth == 8 and how.decoder == "pillow" and not how.reduced and not how.prepare
    return common and how.channels in (1, 3) and not colour_only(metadata)
