"""Which networks have a classifier that a linear head is no plain part of.

``model.safetensors`` holds the head under the name of the network's own classifier. timm and
torchvision load it from there, except into these networks. ``tests/architectures.py`` tries all
families, and its tests compare what it finds with these tables.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

_TWO, _NORM = "its classifier has two heads", "its classifier has a norm before its layer"
_CONV, _SCALES = "its classifier is a convolution", "its classifier has a layer for each scale"

REARRANGED = {
    "VisionTransformerDistilled": _TWO,
    "EfficientFormer": _TWO,
    "EfficientFormerV2": _TWO,
    "PoolingVisionTransformer": _TWO,
    "SwiftFormer": _TWO,
    "LevitDistilled": _TWO,
    "RepVit": _TWO,
    "Levit": _NORM,
    "IFormer": _NORM,
    "EfficientVitMsra": _NORM,
    "SHViT": _NORM,
    "DLA": _CONV,
    "DPN": _CONV,
    "ResNetV2": _CONV,
    "VOLO": "it has an auxiliary head",
}
"""Class of the network → what is special. ``tlf export --to`` arranges the head as it needs it."""

UNLIKE = {
    "SqueezeNet": "its classifier cuts off negative logits of each position, and averages the rest",
    "MaxVit": "its classifier has no bias, and the run's head has one",
    "MNASNet": "its loader asks for the version of a file, and safetensors hold none",
    "CrossVit": _SCALES,
    "EfficientViM": _SCALES,
    "EfficientViMDistilled": _SCALES,
    "MetaFormer": "its classifier has hidden layers",
    **dict.fromkeys(
        ("DeepseekVitEncoder", "Gemma4VitEncoder", "MobileNetV5Encoder", "Qwen3VitEncoder"),
        "it has no classifier",
    ),
}
"""Class of the network → why no file with a linear head loads into it."""

COLOUR_ONLY = "torchvision's networks take images of 3 channels"
"""Why a network of torchvision that was built for others is no longer torchvision's own."""


def own_loader_note(
    library: str, model: str, module: "nn.Module", *, other_channels: bool = False
) -> str:
    """Why the library's own network does not load a run's ``model.safetensors``; empty if it does.

    Parameters:
        library: ``timm`` or ``torchvision``.
        model: its name for the network.
        module: the network without its classifier.
        other_channels: whether it takes images that the library has no option for.
    """
    refused = f"{library}'s own {model} does not load the run's model.safetensors"
    if not other_channels and (reason := rearranged(module)):
        return f"{refused}: {reason}; tlf export RUN --to {library} writes a file that it loads"
    if reason := COLOUR_ONLY if other_channels else unlike(module):
        return f"{refused}: {reason}; tlf export RUN --to torch-export or onnx works"
    return ""


def rearranged(module: "nn.Module") -> str:
    """Why ``model.safetensors`` does not load, and an export does; empty if that is not so."""
    distilled = getattr(module, "head_dist", None) is not None
    if type(module).__name__ == "PoolingVisionTransformer" and not distilled:
        return ""
    return REARRANGED.get(type(module).__name__, "")


def unlike(module: "nn.Module") -> str:
    """Why no file of a linear head can be loaded; empty if one can."""
    if type(module).__name__ == "MetaFormer" and not module.use_mlp_head:
        return ""
    return UNLIKE.get(type(module).__name__, "")
