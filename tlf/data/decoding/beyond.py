"""What a file holds that an 8-bit image cannot show."""

from typing import TYPE_CHECKING, Literal, NamedTuple

from tlf.data.decoding.arrays import NPY, npy_values
from tlf.data.decoding.decode import PNG, opened, reported
from tlf.data.decoding.eight_bits import own_white
from tlf.data.decoding.jpeg import JPEG

if TYPE_CHECKING:
    from PIL import Image


class Beyond(NamedTuple):
    """What a file holds that an 8-bit image cannot show."""

    depth: Literal["", "grey", "colour"] = ""
    """Whether it holds 16-bit values without a white of their own, and of which kind. An array of
    any number of channels counts as ``grey``: none of its values are lost, either."""
    pages: bool = False
    """Whether it holds more than one page or frame."""


def beyond(data: bytes) -> Beyond:
    """What a file holds beyond an 8-bit image. Of a PNG, only its first bytes are read."""
    if data.startswith(JPEG):
        return Beyond()
    if data.startswith(PNG):
        depth: Literal["grey", "colour"] = "grey" if data[25:26] == b"\0" else "colour"
        animated = data.find(b"acTL", 0, 4096) >= 0
        return Beyond(depth if data[24:25] == b"\x10" else "", animated)
    try:
        if data.startswith(NPY):
            return Beyond("grey" if npy_values(data).itemsize == 2 else "")
        image = opened(data)
        colour = image.format == "TIFF" and ";16" in str(getattr(image, "tile", ""))
        grey = own_white(image, 0) == 0
        return Beyond("grey" if grey else "colour" if colour else "", _has_pages(image))
    except MemoryError:
        raise
    except Exception:  # Pillow's readers raise errors of many types; ``open_image`` reports them
        return Beyond()


def largest_value(data: bytes) -> int:
    """The largest value of an image file before it is scaled: above 255 only for 16 bits.

    Raises:
        DataError: the bytes cannot be read as an image.
    """
    import numpy as np

    with reported(data):
        values = npy_values(data) if data.startswith(NPY) else np.asarray(opened(data))
        return int(values.max())


def _has_pages(image: "Image.Image") -> bool:
    if image.format != "TIFF":
        return bool(getattr(image, "is_animated", False))
    try:
        image.seek(1)  # Pillow would walk through all pages to count them
    except EOFError:
        return False
    return True
