"""The first convolution of a network, for images of another number of channels than 3."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tlf.preprocessing import MOST_CHANNELS

if TYPE_CHECKING:
    from torch import Tensor, nn

COLOURS = 3
"""The channels of the images that published weights were trained on."""


def check_channels(channels: int) -> None:
    """Check an option of a backbone.

    Raises:
        ValueError: no image has so many channels.
    """
    if not 1 <= channels <= MOST_CHANNELS:
        raise ValueError(
            f"channels must be 3 (colour), 1 (grey) or up to {MOST_CHANNELS}, got {channels}; "
            "write channels = 3"
        )


def replace_stem(module: "nn.Module", channels: int, *, drawn: bool) -> str:
    """Give a network of torchvision a first convolution for so many channels; return its name.

    Parameters:
        module: the network, for colour images.
        channels: channels of the images.
        drawn: whether its weights are drawn at random, in the range of those that it had.
    """
    from torch import nn

    convolutions = ((n, m) for n, m in module.named_modules() if isinstance(m, nn.Conv2d))
    found: tuple[str, Any] = next((n, m) for n, m in convolutions if m.in_channels == COLOURS)
    name, old = found
    place = {key: getattr(old, key) for key in ("stride", "padding", "dilation", "padding_mode")}
    new = nn.Conv2d(channels, old.out_channels, old.kernel_size, **place, bias=old.bias is not None)
    if drawn:
        nn.init.normal_(new.weight, std=float(old.weight.detach().std()))
    if old.bias is not None:
        new.bias = old.bias
    module.set_submodule(name, new)
    return name


def adapted(weight: "Tensor", channels: int) -> "Tensor":
    """The weights (O, 3, H, W) of a first convolution for so many channels, as timm does it: added
    up for grey images; otherwise repeated, and multiplied by 3 / ``channels``.
    """
    from timm.models import adapt_input_conv

    result: Tensor = adapt_input_conv(channels, weight)
    return result


def with_stem(
    tensors: "Mapping[str, Tensor]", name: str, channels: int
) -> "tuple[Mapping[str, Tensor], tuple[str, ...]]":
    """The tensors of a file with those of a first convolution adapted, if they are for colour; and
    a note about it.
    """
    if name not in tensors or tensors[name].shape[1:2] != (COLOURS,):
        return tensors, ()
    return {**tensors, name: adapted(tensors[name], channels)}, (stem_note(name, channels),)


def stem_note(name: str, channels: int) -> str:
    """What a person should know about adapted weights.

    >>> stem_note("conv1.weight", 5).partition(":")[0]
    'conv1.weight is adapted to images of 5 channels, as timm does it'
    """
    if channels == 1:
        begin, how = "grey images", "the weights of colours are added up"
        return f"{name} is adapted to {begin}, as timm does it: {how}"
    return (
        f"{name} is adapted to images of {channels} channels, as timm does it: the weights of "
        f"colours are repeated and multiplied by {COLOURS}/{channels}; mean and std are repeated, "
        "unless transforms.mean and transforms.std say them"
    )
