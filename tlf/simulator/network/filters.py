"""The filters of a network's first layer as a picture."""

from base64 import b64encode
from io import BytesIO
from math import inf

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from tlf.model import Classifier
from tlf.simulator.network.stages import differing
from tlf.simulator.observe import Tensors

SHOWN = 16
"""Filters in a picture, at most."""
ROW = 4
"""Filters in a row of it."""
SIDE = 16
"""Pixels of a filter in each direction, at most: larger filters are averaged down."""


def first_layer(classifier: Classifier) -> str | None:
    """The name of the weights of the first layer, if it is a convolution of grey or colour images;
    otherwise None.
    """
    for name, module in classifier.backbone.named_modules(prefix="backbone"):
        weights = module._parameters.get("weight")
        if weights is not None and weights.ndim > 1:
            whole = isinstance(module, nn.Conv2d) and module.groups == 1
            seen = whole and weights.shape[1] in (1, 3)
            return f"{name}.weight" if seen else None
    return None


def filters_of(classifier: Classifier, before: Tensors | None, start: Tensors) -> str | None:
    """A picture of the filters, where they differ from those before.

    Parameters:
        classifier: the network.
        before: copies of its tensors before the step; None before the first step.
        start: copies of its tensors before the first step, which decide the scale of all pictures.
    """
    name = first_layer(classifier)
    if name is None:
        return None
    (stage,) = (stage for stage, own in start.items() if name in own)
    filters = classifier.get_parameter(name).detach()
    if before is not None and not differing(filters, before[stage][name]):
        return None
    largest = float(start[stage][name][:SHOWN].abs().max())
    return picture(filters[:SHOWN], largest if 0 < largest < inf else 1.0)


def picture(filters: Tensor, limit: float) -> str:
    """A PNG file in base64: a grid of filters, with a transparent pixel around each.

    Parameters:
        filters: of grey or colour images (N, C, H, W).
        limit: the weight that is white; its negative is black, and 0 is middle grey.
    """
    side = min(SIDE, *filters.shape[2:])
    small = functional.adaptive_avg_pool2d(filters.float().cpu(), side)
    shades = (127.5 + 127.5 * small / limit).nan_to_num(0).clamp(0, 255).round()
    colours = shades.expand(-1, 3, -1, -1)
    opaque = torch.full_like(colours[:, :1], 255)
    tiles = functional.pad(torch.cat([colours, opaque], dim=1), (0, 1, 0, 1))
    grid = _grid(tiles).permute(1, 2, 0).to(torch.uint8)
    Image.fromarray(grid.numpy()).save(file := BytesIO(), "PNG", optimize=True)
    return b64encode(file.getvalue()).decode()


def _grid(tiles: Tensor) -> Tensor:
    """Tiles (N, C, H, W) → one picture (C, rows × H, ROW × W), in reading order."""
    _, channels, height, width = tiles.shape
    whole = functional.pad(tiles, (0, 0, 0, 0, 0, 0, 0, -len(tiles) % ROW))
    rows = whole.reshape(-1, ROW, channels, height, width).permute(2, 0, 3, 1, 4)
    return rows.reshape(channels, -1, ROW * width)
