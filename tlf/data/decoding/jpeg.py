"""JPEG files otherwise than whole and by Pillow: by another library, or at a reduced scale.

Both are choices of a recipe. A preprocessing names them, so they are in keys of stored images and
in the files of a model, and train, eval and ``tlf predict`` decode alike.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tlf.data.decoding.orientation import orientation, upright_values
from tlf.errors import DataError, RunError
from tlf.preprocessing import Preprocessing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

JPEG = b"\xff\xd8"
"""How JPEG files begin."""

_MARGIN = 2
"""A reduced image is at least so many times as large as it is resized to: the resize then hides
most of the difference."""


def chosen(header: "Image.Image", data: bytes, how: Preprocessing) -> "Image.Image":
    """The image in a JPEG file, as a preprocessing wants it.

    Parameters:
        header: what Pillow has opened: its header is read.
        data: the bytes of the file.
        how: the preprocessing.

    Raises:
        DataError: the bytes cannot be read as an image.
        RunError: the library that decodes is not installed.
    """
    from PIL import Image

    if how.decoder != "pillow" and header.mode in ("L", "RGB"):  # others are made for ink
        return Image.fromarray(_DECODE[how.decoder](data, header))
    return _reduced(header, how) if how.reduced else header


def _reduced(header: "Image.Image", how: Preprocessing) -> "Image.Image":
    """The image at 1/2, 1/4 or 1/8 of its size, where that is large enough; not yet decoded.

    Raises:
        DataError: the image is too large all the same.
    """
    # A progressive JPEG is a series of whole images, which are all held.
    if header.info.get("progressive") and _too_large(header):
        raise DataError(
            f"too large to be safe: {header.width} × {header.height} pixels; a progressive JPEG is "
            "held whole: save it as a baseline JPEG, or smaller"
        )
    side = _MARGIN * (how.size if how.crop == "squash" else how.resize)
    header.draft(None, (side, side))
    if _too_large(header):
        raise DataError(
            f"too large to be safe: still {header.width} × {header.height} pixels at a reduced "
            "scale; save it smaller"
        )
    return header


def _too_large(image: "Image.Image") -> bool:
    """Whether Pillow would not decode an image of such a size."""
    from PIL import Image

    limit = Image.MAX_IMAGE_PIXELS
    return limit is not None and image.width * image.height > 2 * limit


def _by_torchvision(data: bytes, header: "Image.Image") -> "NDArray[np.uint8]":
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg

    encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    values = decode_jpeg(encoded, ImageReadMode.RGB).permute(1, 2, 0).numpy()
    return upright_values(values, orientation(header))


def _by_torchcodec(data: bytes, header: "Image.Image") -> "NDArray[np.uint8]":
    try:
        from torchcodec.decoders import decode_jpeg
    except (ImportError, OSError, RuntimeError) as error:  # a missing library of the system, too
        raise RunError(
            "transforms.decoder = 'torchcodec' needs torchcodec from 0.16 on; write pip install "
            "torchcodec, or transforms.decoder = 'pillow'"
        ) from error
    upright: NDArray[np.uint8] = decode_jpeg(data, mode="RGB").permute(1, 2, 0).numpy()
    return upright


_DECODE: "dict[str, Callable[[bytes, Image.Image], NDArray[np.uint8]]]" = {
    "torchvision": _by_torchvision,
    "torchcodec": _by_torchcodec,
}
