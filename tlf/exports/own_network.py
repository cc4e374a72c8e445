"""The own networks of timm and torchvision, and a linear head in the form of their classifiers."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tlf.errors import WeightsError
from tlf.inference.metadata import Metadata
from tlf.pretrained import published
from tlf.pretrained.own_classifiers import COLOUR_ONLY
from tlf.pretrained.sizes import timm_sized

UNUSED = "aux_head."
"""The head of VOLO that adds to the logits what it finds in single positions: of zeros, nothing."""


def colour_only(metadata: Metadata) -> str:
    """Why the library has no option for the channels of a run's images; empty if it has."""
    backbone = metadata.backbone
    other = backbone["kind"] == "torchvision" and backbone.get("channels", 3) != 3
    return COLOUR_ONLY if other else ""


def own_network(metadata: Metadata) -> nn.Module:
    """The library's own network, with random weights and a classifier for the classes of a run."""
    backbone, classes = metadata.backbone, len(metadata.classes)
    if backbone["kind"] == "torchvision":
        size = backbone.get("config", {}).get("size", metadata.preprocessing.size)
        return published.torchvision_module(backbone["model"], size, num_classes=classes).eval()
    import timm

    options = timm_options(metadata)
    module: nn.Module = timm.create_model(backbone["model"], num_classes=classes, **options)
    return module.eval()


def timm_options(metadata: Metadata) -> dict[str, Any]:
    """What ``timm.create_model`` takes to build the network of a run, besides the classes."""
    backbone = metadata.backbone
    size = backbone.get("config", {}).get("size", metadata.preprocessing.size)
    options = backbone.get("config", {}).get("options", {})
    published.check_timm_options(options)
    return {
        **timm_sized(published.timm_config(backbone["model"]), size),
        **({"in_chans": backbone["channels"]} if backbone.get("channels", 3) != 3 else {}),
        **options,
    }


def arranged(
    network: nn.Module, backbone: Mapping[str, Tensor], weight: Tensor, bias: Tensor
) -> dict[str, Tensor]:
    """The tensors of the library's own network: those of the backbone, and a linear head in the
    form of its classifier.

    Two heads, whose mean the network takes, are the same head twice. A convolution of 1 × 1 is the
    same layer. A norm before the layer changes nothing.

    Parameters:
        network: the library's own.
        backbone: its tensors without the classifier.
        weight: of the head (K, F).
        bias: of the head (K,).

    Raises:
        WeightsError: the network's classifier computes something else.
    """
    tensors = dict(backbone)
    for name, module in network.named_modules():
        own = {f"{name}.{key}": value for key, value in module.state_dict().items()}
        if any(True for _ in module.children()) or own.keys() <= tensors.keys():
            continue
        if isinstance(module, nn.BatchNorm1d):
            tensors |= own | {f"{name}.running_var": own[f"{name}.running_var"] - module.eps}
        elif f"{name}.".startswith(UNUSED):
            tensors |= {key: torch.zeros_like(value) for key, value in own.items()}
        elif own[f"{name}.weight"].numel() == weight.numel():
            shape = own[f"{name}.weight"].shape
            tensors |= {f"{name}.weight": weight.reshape(shape), f"{name}.bias": bias}
        else:
            raise WeightsError(
                f"{name} of the network must be a layer of {weight.shape[1]} features, got "
                f"{tuple(own[f'{name}.weight'].shape)}; write --to model, torch-export or onnx"
            )
    return tensors
