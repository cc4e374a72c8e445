"""Do two small images show the same picture? Copies that were recompressed, resized, cropped,
mirrored, darkened or brightened do; two photographs of one scene, one kind or one style do not.

Both are compared where their local contrast is: what is brighter and darker than its surroundings,
measured in the contrast of these. So brightness does not matter, and neither does a strong edge
such as a frame. The centre alone has to agree, too, since pictures may share their frame.
"""

from collections.abc import Iterator
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
_IMAGES = 128
"""Images that are cut at once, in some 100 MiB."""
_LEAST = 1e-3
"""Length of a row that counts as one colour."""


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
    shown, cut = np.unique(np.concatenate([one, other]), return_inverse=True)
    whole = np.roll(cut, len(one))
    wholes, lengths = _wholes(small, shown)
    similarity = np.empty(len(cut), np.float32)
    pairs_of = np.split(np.argsort(cut, kind="stable"), np.cumsum(np.bincount(cut))[:-1])
    # Each image is cut once, and its parts are compared with all its partners at once. (Without a
    # pair there are no parts, but an empty part of the pairs.)
    for pairs, parts in zip(pairs_of, _parts(small, shown), strict=False):
        partners = whole[pairs]
        products = (parts @ wholes[partners].T).reshape(2, -1, len(pairs))
        similarity[pairs] = (products / lengths[:, None, partners]).min(0).max(0)
    best: NDArray[np.float32] = np.maximum(*similarity.reshape(2, -1)).clip(max=1)
    return best


def _wholes(
    small: "Small", shown: "NDArray[np.int64]"
) -> "tuple[NDArray[np.float32], NDArray[np.float32]]":
    """The contrast of images (N, S · S), and the lengths of all of it and of its centre (2, N)."""
    import numpy as np
    import torch

    wholes = np.empty((len(shown), small.shape[1] * small.shape[2]), np.float32)
    lengths = np.empty((2, len(shown)), np.float32)
    for start in range(0, len(shown), _IMAGES):
        chunk = slice(start, start + _IMAGES)
        images = _contrast(torch.from_numpy(small[shown[chunk]]).float())
        wholes[chunk] = images.flatten(1).numpy()
        each = [_centred(region).norm(dim=(-2, -1)) for region in (images, _centre(images))]
        lengths[:, chunk] = torch.stack(each).clamp(min=_LEAST).numpy()
    return wholes, lengths


def _parts(small: "Small", shown: "NDArray[np.int64]") -> "Iterator[NDArray[np.float32]]":
    """The parts of each image that are compared with the whole of another: rows (40, S · S) with
    mean 0 and length 1. The first half are its crops, and these mirrored; the second half are the
    same, where only their centre is not 0.
    """
    import torch

    for start in range(0, len(shown), _IMAGES):
        chunk = small[shown[start : start + _IMAGES]]
        images = _contrast(_crops(torch.from_numpy(chunk).float()))
        centres = torch.zeros_like(images)
        _centre(centres)[:] = _unit(_centre(images))
        both = torch.stack([_unit(images), centres], 1)
        yield from torch.cat([both, both.flip(-1)], 2).flatten(3).flatten(1, 2).numpy()


def _centre(images: "Tensor") -> "Tensor":
    """The centre of images (…, S, S), as a view."""
    margin = round(images.shape[-1] * _MARGIN)
    return images[..., margin:-margin, margin:-margin]


def _centred(images: "Tensor") -> "Tensor":
    """Images (…, S, S) with mean 0."""
    return images - images.mean((-2, -1), keepdim=True)


def _unit(images: "Tensor") -> "Tensor":
    """Images (…, S, S) with mean 0 and length 1. An image of one colour becomes 0."""
    images = _centred(images)
    lengths: Tensor = images.norm(dim=(-2, -1), keepdim=True)
    return images / lengths.clamp(min=_LEAST)


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
