"""Do two small images show the same picture? Copies that were recompressed, resized, cropped,
mirrored, darkened or brightened do; two photographs of one scene, one kind or one style do not.

Both are compared where their local contrast is: what is brighter and darker than its surroundings,
measured in the contrast of these. So brightness does not matter, and neither does a strong edge
such as a frame. The centre alone has to agree, too, since pictures may share their frame.
"""

from functools import cache
from typing import TYPE_CHECKING

from tlf.runtime.cores import in_parallel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Small = NDArray[np.uint8] | NDArray[np.float32]
    Images = NDArray[np.float32]

_SURROUNDINGS = 1 / 16
"""Standard deviation of the weights of a pixel's surroundings, as a part of the side."""
_NOISE = 10.0
"""A contrast of so many grey levels counts half: below it there is mostly noise of compression."""
_CROPPED = 0.05
"""The part of a side that a crop may have cut off."""
_MARGIN = 1 / 8
"""The part of a side that does not belong to the centre, at both of its ends."""
_IMAGES = 128
"""Images that a thread cuts at once, in some 100 MiB."""
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

    def compare(start: int) -> None:
        chunk = slice(start, start + _IMAGES)
        # Each image is cut once, and its parts are compared with all its partners at once.
        for pairs, parts in zip(pairs_of[chunk], _parts(small[shown[chunk]]), strict=True):
            partners = whole[pairs]
            products = (parts @ wholes[partners].T).reshape(2, -1, len(pairs))
            similarity[pairs] = (products / lengths[:, None, partners]).min(0).max(0)

    in_parallel(compare, range(0, len(shown), _IMAGES))
    best: NDArray[np.float32] = np.maximum(*similarity.reshape(2, -1)).clip(max=1)
    return best


def _wholes(small: "Small", shown: "NDArray[np.int64]") -> "tuple[Images, Images]":
    """The contrast of images (N, S · S), and the lengths of all of it and of its centre (2, N)."""
    import numpy as np

    wholes = np.empty((len(shown), small.shape[1] * small.shape[2]), np.float32)
    lengths = np.empty((2, len(shown)), np.float32)

    def measure(start: int) -> None:
        chunk = slice(start, start + _IMAGES)
        images = _contrast(small[shown[chunk]].astype(np.float32))
        wholes[chunk] = images.reshape(len(images), -1)
        lengths[:, chunk] = [_lengths(_centred(each)) for each in (images, _centre(images))]

    in_parallel(measure, range(0, len(shown), _IMAGES))
    return wholes, lengths


def _parts(small: "Small") -> "Images":
    """The parts of each image that are compared with the whole of another: rows (N, 40, S · S) with
    mean 0 and length 1. The first half are its crops, and these mirrored; the second half are the
    same, where only their centre is not 0.
    """
    import numpy as np

    images = _contrast(_crops(small.astype(np.float32)))
    centres = np.zeros_like(images)
    _centre(centres)[:] = _unit(_centre(images))
    both = np.stack([_unit(images), centres], 1)
    parts = np.concatenate([both, both[..., ::-1]], 2)
    return parts.reshape(len(small), -1, small[0].size)


def _centre(images: "Images") -> "Images":
    """The centre of images (…, S, S), as a view."""
    margin = round(images.shape[-1] * _MARGIN)
    return images[..., margin:-margin, margin:-margin]


def _centred(images: "Images") -> "Images":
    """Images (…, S, S) with mean 0."""
    centred: Images = images - images.mean((-2, -1), keepdims=True)
    return centred


def _lengths(images: "Images") -> "Images":
    """The length of each of the images (…, S, S)."""
    import numpy as np

    lengths: Images = np.sqrt(np.einsum("...ij,...ij->...", images, images)).clip(min=_LEAST)
    return lengths


def _unit(images: "Images") -> "Images":
    """Images (…, S, S) with mean 0 and length 1. An image of one colour becomes 0."""
    images = _centred(images)
    return images / _lengths(images)[..., None, None]


def _crops(images: "Images") -> "Images":
    """(N, S, S) → (N, 10, S, S): the whole and nine crops, enlarged to the whole's size."""
    import numpy as np

    across, _ = _matrices(images.shape[-1])
    rows = across @ images[:, None]
    crops = rows[:, :, None] @ across.transpose(0, 2, 1)
    return np.concatenate([images[:, None], crops.reshape(len(images), 9, *images.shape[1:])], 1)


def _contrast(images: "Images") -> "Images":
    """Images (…, S, S) → how much brighter each pixel is than its surroundings, by their
    contrast.
    """
    import numpy as np

    _, blur = _matrices(images.shape[-1])
    detail = images - blur @ images @ blur.T
    contrast: Images = detail / np.sqrt(blur @ np.square(detail) @ blur.T + _NOISE**2)
    return contrast


@cache
def _matrices(side: int) -> "tuple[Images, Images]":
    """What is multiplied with the columns of an image: (3, S, S) crops them at the beginning, in
    the middle and at the end, and enlarges them linearly; (S, S) blurs them.
    """
    import numpy as np

    pixels = np.arange(side)
    kept = 1 - _CROPPED
    starts = np.linspace(0, side * _CROPPED, 3)
    centres = (pixels + 0.5) * kept + starts[:, None] - 0.5
    crops = (1 - abs(centres.clip(0, side - 1)[..., None] - pixels)).clip(min=0)
    weights = np.exp(-((pixels[:, None] - pixels) ** 2) / (2 * (side * _SURROUNDINGS) ** 2))
    blur = weights / weights.sum(1, keepdims=True)
    return crops.astype(np.float32), blur.astype(np.float32)
