"""Do two small images show the same picture? Copies that were recompressed, resized, cropped,
mirrored, darkened or brightened do; two photographs of one scene, one kind or one style do not.

Both are compared where their local contrast is: what is brighter and darker than its surroundings,
measured in the contrast of these. So brightness does not matter, and neither does a strong edge
such as a frame. The centre alone has to agree, too, since pictures may share their frame.
"""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    Small = NDArray[np.uint8] | NDArray[np.float32]

_SURROUNDINGS = 1 / 16
"""Standard deviation of the weights of a pixel's surroundings, as a part of the side."""
_NOISE = 10.0
"""A contrast of so many grey levels counts half: below it there is mostly noise of compression."""
_CROPPED = 0.05
"""The part of a side that a crop may have cut off."""
_MARGIN = 1 / 8
"""The part of a side that does not belong to the centre, at both of its ends."""
_PAIRS = 1024
"""Pairs that are compared at once, in some 100 MiB."""


def picture_similarity(
    small: "Small", one: "NDArray[np.int64]", other: "NDArray[np.int64]"
) -> "NDArray[np.float32]":
    """How alike the pictures of P pairs are (P,), at most 1. One of a pair may be the mirrored
    other, or a part of it.

    Parameters:
        small: (N, S, S), the images in grey.
        one: (P,) positions.
        other: (P,) positions.
    """
    import numpy as np

    # A crop of the one is the whole other, or the other way round.
    return np.maximum(_part_of(small, one, other), _part_of(small, other, one))


def _part_of(
    small: "Small", cut: "NDArray[np.int64]", whole: "NDArray[np.int64]"
) -> "NDArray[np.float32]":
    """The similarity of the best crop of one image to the whole of the other, for each pair."""
    import numpy as np

    result = np.empty(len(cut), np.float32)
    by_cut = np.argsort(cut, kind="stable")  # so that few images are cut for each chunk
    for start in range(0, len(cut), _PAIRS):
        chunk = by_cut[start : start + _PAIRS]
        result[chunk] = _compared(small, cut[chunk], whole[chunk])
    return result


def _compared(
    small: "Small", cut: "NDArray[np.int64]", whole: "NDArray[np.int64]"
) -> "NDArray[np.float32]":
    import numpy as np
    import torch

    unique, places = np.unique(cut, return_inverse=True)
    parts = _regions(_contrast(_crops(torch.from_numpy(small[unique]).float())))
    whole_images = _contrast(torch.from_numpy(small[whole]).float()[:, None])
    wholes = _regions(torch.cat([whole_images, whole_images.flip(-1)], 1))
    each = torch.from_numpy(places)
    everywhere, centre = (p[each] @ w.mT for p, w in zip(parts, wholes, strict=True))
    return torch.minimum(everywhere, centre).amax((1, 2)).clamp(max=1).numpy()


def _regions(images: "Tensor") -> "tuple[Tensor, Tensor]":
    """Images (…, S, S) → all of each, and its centre: rows with mean 0 and length 1. An image of
    one colour stays 0.
    """
    margin = round(images.shape[-1] * _MARGIN)
    inner = slice(margin, -margin)
    return _unit(images), _unit(images[..., inner, inner])


def _crops(images: "Tensor") -> "Tensor":
    """(N, S, S) → (N, 10, S, S): the whole and nine crops, enlarged to the whole's size."""
    import torch

    across, _ = _matrices(images.shape[-1])
    crops = torch.einsum("aij,njk,blk->nabil", across, images, across)
    return torch.cat([images[:, None], crops.flatten(1, 2)], 1)


def _contrast(images: "Tensor") -> "Tensor":
    """Images (…, S, S) → how much brighter each pixel is than its surroundings, by their
    contrast.
    """
    _, blur = _matrices(images.shape[-1])
    detail = images - blur @ images @ blur.T
    return detail / (blur @ detail.square() @ blur.T + _NOISE**2).sqrt()


def _unit(images: "Tensor") -> "Tensor":
    from torch.nn.functional import normalize

    rows = images.flatten(-2)
    return normalize(rows - rows.mean(-1, keepdim=True), dim=-1, eps=1e-3)


@cache
def _matrices(side: int) -> "tuple[Tensor, Tensor]":
    """What is multiplied with the columns of an image: (3, S, S) crops them at the beginning, in
    the middle and at the end, and enlarges them linearly; (S, S) blurs them.
    """
    import torch

    pixels = torch.arange(side, dtype=torch.float32)
    kept = 1 - _CROPPED
    starts = torch.linspace(0, side * _CROPPED, 3)
    centres = (pixels + 0.5) * kept + starts[:, None] - 0.5
    crops = (1 - (centres.clamp(0, side - 1)[..., None] - pixels).abs()).clamp(min=0)
    weights = torch.exp(-((pixels[:, None] - pixels) ** 2) / (2 * (side * _SURROUNDINGS) ** 2))
    return crops, weights / weights.sum(1, keepdim=True)
