"""Networks that are built for one size of images, and their weights at another size."""

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tlf.pretrained.names import COUNTER, shape

if TYPE_CHECKING:
    from torch import Tensor, nn

SIZED = {"vit": "image_size", "maxvit": "input_size"}
"""torchvision's networks that are built for one image size → their option for that size."""


def torchvision_sized(model: str, size: int) -> dict[str, Any]:
    """The option of a torchvision network that is built for one size of images; ``{}`` for others.

    >>> torchvision_sized("vit_b_16", 384), torchvision_sized("resnet18", 384)
    ({'image_size': 384}, {})
    """
    option = SIZED.get(model.partition("_")[0])
    return {option: size if option == "image_size" else (size, size)} if option else {}


def torchvision_resized(
    module: "nn.Module", tensors: Mapping[str, "Tensor"]
) -> dict[str, "Tensor"]:
    """The same tensors with the position table of a vision transformer at the network's own size,
    as torchvision resizes it. A table that it cannot resize stays as it is.
    """
    from torchvision.models.vision_transformer import VisionTransformer, interpolate_embeddings

    given = dict(tensors)
    if isinstance(module, VisionTransformer) and "encoder.pos_embedding" in given:
        with suppress(ValueError, RuntimeError):
            interpolate_embeddings(module.image_size, module.patch_size, given)
    return given


def timm_sized(config: Any, size: int) -> dict[str, Any]:  # noqa: ANN401
    """The option of a timm network that is built for another size of images than its weights;
    ``{}`` for networks that take any size.
    """
    fixed = config.fixed_input_size and size != config.input_size[-1]
    return {"img_size": size} if fixed else {}


def one_size(size: int, reason: object) -> str:
    """The error text for a size that a network does not take."""
    why = str(reason).rstrip(".")
    return (
        f"transforms.size must be a size that the model takes, got {size}: {why}; "
        "leave transforms.size out for the size of the backbone's weights"
    )


def reshaped(given: "Mapping[str, Tensor]", own: "Mapping[str, Tensor]", how: str) -> list[str]:
    """A note about tensors that were resized to fit a network, if there are any.

    Parameters:
        given: the tensors as a file has them.
        own: the network's tensors.
        how: for what they are resized, and by whose rule.
    """
    changed = [
        name
        for name, tensor in own.items()
        if name in given and given[name].shape != tensor.shape and not name.endswith(COUNTER)
    ]
    if not changed:
        return []
    name = changed[0]
    more = f", and {len(changed) - 1} more alike" if len(changed) > 1 else ""
    return [f"{name} is resized from {shape(given[name])} to {shape(own[name])}{more}, {how}"]
