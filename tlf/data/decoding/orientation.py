"""Which way is up: what files say about it, and images turned so."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

    from tlf.data.decoding.arrays import Values

SIDEWAYS = (5, 6, 7, 8)
"""The orientations in which width and height change places."""

_MARKS = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
"""A PNG with an orientation holds one of these, uncompressed even if the orientation is not."""


def upright(image: "Image.Image") -> "Image.Image":
    """The image, turned as its EXIF data says."""
    from PIL.Image import Transpose

    operations = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    operation = operations.get(orientation(image))
    return image if operation is None else image.transpose(operation)


def upright_values(values: "Values", orientation: int) -> "Values":
    """An image (H, W, C), turned as an orientation says."""
    import numpy as np

    if orientation in SIDEWAYS:
        values = values.swapaxes(0, 1)
    down, across = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(values[:: -1 if down else 1, :: -1 if across else 1])


def stored_size(image: "Image.Image") -> tuple[int, int]:
    """Width and height of an opened image before its orientation is applied."""
    from PIL.ExifTags import Base
    from PIL.TiffImagePlugin import TiffImageFile

    if isinstance(image, TiffImageFile):  # newer Pillows rotate ``size`` before the pixels
        return image.tag_v2[Base.ImageWidth], image.tag_v2[Base.ImageLength]
    return image.size


def may_be_rotated(image: "Image.Image", data: bytes) -> bool:
    """Whether an opened image may hold an orientation."""
    # To read a PNG's EXIF data Pillow decodes it, since the data may come after the pixels.
    return image.format != "PNG" or any(mark in data for mark in _MARKS)


def orientation(image: "Image.Image") -> int:
    """The orientation in the EXIF data of an image, 1 to 8; 1 where it says none."""
    import struct

    from PIL.ExifTags import Base

    try:
        value = image.getexif().get(Base.Orientation, 1)
    # A damaged EXIF block gives no orientation, but the pixels are good.
    # UserWarning: what Pillow raises where warnings are errors.
    except (SyntaxError, ValueError, KeyError, TypeError, OSError, struct.error, UserWarning):
        return 1
    return value if isinstance(value, int) else 1
