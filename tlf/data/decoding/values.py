"""From the bytes of an image file to the image that a backbone takes, before it is resized.

8-bit grey and RGB images are Pillow's, as published weights were trained and measured. Images of 16
bits or of other channels are arrays, since Pillow has no mode for them.
"""

from typing import TYPE_CHECKING, TypeAlias

from tlf.data.decoding.arrays import (
    NPY,
    checked,
    npy_shape,
    npy_values,
    other_channels,
    shown_picture,
    to_channels,
    to_depth,
)
from tlf.data.decoding.beyond import beyond
from tlf.data.decoding.decode import alone, open_image, opened, reported, standard, upright_size
from tlf.data.decoding.eight_bits import deep_grey, own_white
from tlf.data.decoding.jpeg import JPEG, chosen
from tlf.data.decoding.orientation import upright
from tlf.data.decoding.tiff import is_tiff, tiff_size, tiff_values
from tlf.errors import DataError
from tlf.preprocessing import Preprocessing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from tlf.data.decoding.arrays import Values

Decoded: TypeAlias = "Image.Image | Values"
"""A Pillow image, 8-bit grey or RGB; or an array (H, W, C) of uint8 or uint16."""


def decode(data: bytes, how: Preprocessing) -> Decoded:
    """The upright image in a file, in the depth and with the channels of a preprocessing.

    Raises:
        DataError: the bytes cannot be read as an image, or as one of so many channels.
    """
    if is_plain(how) and not is_array(data) and not _is_chosen(data, how):
        return open_image(data, how.channels, how.white)
    width, height = decoded_size(data, reduced=how.reduced)
    with reported(data), alone(width * height):
        return fitted(_held(data, how), how)


def decoded_size(data: bytes, *, reduced: bool = False) -> tuple[int, int]:
    """Width and height of the image that ``decode`` gives, if it can read the file; of one that it
    gives at a ``reduced`` scale, those of the whole image.

    Raises:
        DataError: the header of an image cannot be read.
    """
    if is_array(data):
        height, width, _ = npy_shape(data)
        return width, height
    try:
        return upright_size(data, reduced=reduced)
    except DataError:
        if not is_tiff(data):
            raise
    with reported(data):
        return tiff_size(data)


def unusual(data: bytes) -> tuple[str, int | None]:
    """What a recipe has to say of an image: which 16 bits it holds, as ``Beyond`` has it; and how
    many channels, where they are neither grey nor colour.

    Raises:
        DataError: the bytes cannot be read as an image.
    """
    with reported(data):
        if is_tiff(data) and not _by_pillow(data):
            values = tiff_values(data, 1)
            depth, channels = "grey" if values.itemsize == 2 else "", values.shape[2]
        else:
            depth = beyond(data).depth
            channels = npy_shape(data)[2] if is_array(data) else 3
    return depth, None if channels in (1, 3) else channels


def fitted(image: "Image.Image | NDArray[np.generic]", how: Preprocessing) -> Decoded:
    """The same as ``decode``, for what Pillow has opened or made, or for an array (H, W, C).

    Raises:
        DataError: its values have no fixed white, or it has other channels.
    """
    from PIL import Image

    if isinstance(image, Image.Image):
        return standard(image, how.channels, how.white) if is_plain(how) else _array(image, how)
    values = to_channels(to_depth(checked(image), how.depth, how.white), how.channels)
    if not is_plain(how):
        return values
    return Image.fromarray(values[..., 0] if how.channels == 1 else values)


def largest_deep(data: bytes, how: Preprocessing) -> int | None:
    """The largest value of an image of 16 bits without a white of its own, before it is scaled;
    None for any other image.

    Raises:
        DataError: the bytes cannot be read as an image.
    """
    import numpy as np
    from PIL import Image

    with reported(data):
        held = _held(data, how)
        if isinstance(held, Image.Image):
            return int(np.asarray(held).max()) if own_white(held, 0) == 0 else None
        return int(held.max()) if held.itemsize == 2 else None


def picture(data: bytes) -> "Image.Image":
    """An image file for a person: 8 bits, RGB or grey; of other channels, the first three.

    Raises:
        DataError: the bytes cannot be read as an image.
    """
    with reported(data):
        if is_array(data):
            return shown_picture(npy_values(data))
        if is_tiff(data) and not _by_pillow(data):
            return shown_picture(tiff_values(data, 1))
        return open_image(data)


def is_plain(how: Preprocessing) -> bool:
    """Whether images are what Pillow has modes for: 8 bits, grey or RGB."""
    return how.depth == 8 and how.channels in (1, 3)


def _is_chosen(data: bytes, how: Preprocessing) -> bool:
    """Whether a recipe says how a file is decoded."""
    return data.startswith(JPEG) and (how.decoder != "pillow" or how.reduced)


def is_array(data: bytes) -> bool:
    """Whether a file is one of NumPy by its first bytes."""
    return data.startswith(NPY)


def _held(data: bytes, how: Preprocessing) -> "Image.Image | Values":
    """What a file holds, before its depth and its channels are changed."""
    if is_array(data):
        return npy_values(data)
    if _is_chosen(data, how):
        return chosen(opened(data, reduced=how.reduced), data, how)
    deep = how.depth == 16 and beyond(data).depth == "colour"
    if is_tiff(data) and (deep or how.channels not in (1, 3)):
        return tiff_values(data, how.channels)
    if deep:
        raise DataError(
            "it holds 16 bits per colour, of which Pillow reads 8; save it as TIFF or .npy, or "
            "write transforms.depth = 8"
        )
    return opened(data)


def _array(image: "Image.Image", how: Preprocessing) -> "Values":
    """An array (H, W, C) of a Pillow image."""
    import numpy as np

    own = own_white(image, how.white)
    if own is not None and how.depth == 16:
        image.load()  # this applies a TIFF's orientation, which would be applied again without it
        grey = deep_grey(upright(image), own).astype(np.uint16)[..., None]
        return to_channels(to_depth(grey, 16, own), how.channels)
    if how.channels in (1, 3):
        return to_depth(np.atleast_3d(np.asarray(standard(image, how.channels))), how.depth)
    bands = len(image.getbands())
    if image.mode not in ("RGBA", "LA") or bands != how.channels:  # alpha may be any channel
        raise other_channels((image.height, image.width, bands), how.channels)
    image.load()
    return to_depth(np.asarray(upright(image)), how.depth)


def _by_pillow(data: bytes) -> bool:
    try:
        upright_size(data)
    except DataError:
        return False
    return True
