"""From the bytes of an image file to an upright 8-bit image, RGB or grey.

Pillow decodes: published weights were trained and measured with it.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from threading import RLock
from typing import TYPE_CHECKING, Literal

from tlf.data.decoding.eight_bits import LARGE, own_white, to_eight_bits
from tlf.data.decoding.heic import is_heic, open_heic
from tlf.data.decoding.jpeg import JPEG
from tlf.data.decoding.orientation import (
    SIDEWAYS,
    may_be_rotated,
    orientation,
    stored_size,
    upright,
)
from tlf.data.decoding.scans import check_scans
from tlf.data.decoding.tiff import is_tiff
from tlf.errors import DataError, TlfError
from tlf.preprocessing import WHITE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""The formats that are read, by Pillow's names. Pillow knows more, but formats without a signature
take any bytes for an image, and others (EPS) start a program. Extras read HEIC and more of TIFF;
NumPy's files are read, too."""

SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".bmp", ".dib"),
        *(".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx"),
        *(".avif", ".heic", ".heif", ".npy"),
    )
)
"""How the names of image files end, in lower case. HEIC is among them where nothing reads it, too:
a phone's images must be reported, not ignored."""

_HINTS = {
    b"<": "it holds a web page, SVG or XML, not pixels",
    b"version https://git-lfs": "it is a Git LFS pointer: fetch the real file with `git lfs pull`",
}
PNG = b"\x89PNG\r\n\x1a\n"
"""How PNG files begin."""
_LONGEST = 2**20
"""Pixels of the longer side, at most: a header of some bytes may claim a line of 16 million, which
libraries take minutes to decode."""
_one_at_a_time = RLock()
"""Held while a large image is decoded: a small file may hold one that takes a gigabyte, and every
thread might take that much at once."""


def open_image(data: bytes, channels: int = 3, white: int = WHITE) -> "Image.Image":
    """An image file → an 8-bit Pillow image, RGB (``channels = 3``) or grey (1), pixels loaded.

    It is rotated as its EXIF data says. Transparent pixels become white. CMYK becomes RGB (inverted
    first where Adobe wrote it so), 16-bit grey is scaled so that ``white`` becomes 255, and an
    animation or a file of several pages gives its first. Colour profiles (ICC) are ignored, as in
    the training of published weights.

    Raises:
        DataError: the bytes cannot be read as an image; says why. The caller says which image.
    """
    _mode(channels)
    with reported(data):
        image = opened(data)
        with alone(image.width * image.height):
            return standard(image, channels, white)


def standard(image: "Image.Image", channels: int = 3, white: int = WHITE) -> "Image.Image":
    """The same as ``open_image``, for an image that Pillow has opened or made.

    Raises:
        DataError: its values have no fixed white.
    """
    image.load()  # this applies a TIFF's orientation, which would be applied again without it
    own = own_white(image, white)  # asked before a rotation: then it no longer has a format
    return to_eight_bits(upright(image), _mode(channels), own)


def upright_size(data: bytes, *, reduced: bool = False) -> tuple[int, int]:
    """Width and height of the image that ``open_image`` gives, if it can read the file.

    Nothing is decoded, except a PNG that may hold its orientation after its pixels. ``reduced``:
    see ``opened``.

    Raises:
        DataError: the header of an image cannot be read.
    """
    with reported(data):
        image = opened(data, reduced=reduced)
        width, height = stored_size(image)
        sideways = may_be_rotated(image, data) and orientation(image) in SIDEWAYS
    return (height, width) if sideways else (width, height)


def from_array(pixels: "NDArray[np.generic]") -> "Image.Image":
    """Uint8 values, RGB (H, W, 3), RGBA (H, W, 4) or grey (H, W), as a Pillow image.

    Raises:
        DataError: the array has another type or shape.
    """
    import numpy as np
    from PIL import Image

    shape = pixels.shape
    if pixels.dtype != np.uint8 or len(shape) < 2 or shape[2:] not in ((), (3,), (4,)):
        raise DataError(
            "an image array must be uint8, RGB (H, W, 3), RGBA (H, W, 4) or grey (H, W), "
            f"got {pixels.dtype} {shape}"
        )
    if not pixels.size:
        raise DataError(f"an image array must have pixels, got {shape}")
    return Image.fromarray(pixels)


def alone(pixels: int) -> AbstractContextManager[object]:
    """Hold every other large image back, if this one has so many pixels that it is large."""
    return _one_at_a_time if pixels > LARGE else nullcontext()


@contextmanager
def reported(data: bytes) -> Iterator[None]:
    """Turn whatever Pillow raises for a file into a DataError."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except UnidentifiedImageError as error:
        raise DataError(_unknown(data)) from error
    except (TlfError, MemoryError):  # with more memory the image can be read
        raise
    except Image.DecompressionBombError as error:
        raise DataError(
            f"too large to be safe: {error} Save it smaller, or as a baseline JPEG, and write "
            "transforms.reduced = true"
        ) from error
    # Pillow's readers raise errors of many types: OSError, SyntaxError, struct.error, …
    except Exception as error:
        raise DataError(" ".join(str(error).split()) or type(error).__name__) from error


def opened(data: bytes, *, reduced: bool = False) -> "Image.Image":
    """An image whose header is read; its pixels are not. ``reduced``: a JPEG may be of any size, as
    it will be decoded at a reduced scale.

    Raises:
        DataError: it would take too long to be decoded.
    """
    from io import BytesIO

    from PIL import Image, UnidentifiedImageError

    try:
        image: Image.Image
        if reduced and data.startswith(JPEG):
            from PIL.JpegImagePlugin import JpegImageFile

            image = JpegImageFile(BytesIO(data))
        else:
            image = Image.open(BytesIO(data), formats=_formats(data))
    except UnidentifiedImageError:
        if not is_heic(data):
            raise
        image = open_heic(data)
    if max(image.size) > _LONGEST:
        width, height = image.size
        raise DataError(f"{width} × {height} pixels: no side may have more than {_LONGEST:,}")
    if data.startswith(JPEG):
        check_scans(data)
    return image


def _formats(data: bytes) -> tuple[str, ...]:
    """The formats that a file may have. The two commonest spare Pillow 40 imports."""
    begin = {"JPEG": JPEG, "PNG": PNG}
    return tuple(name for name in begin if data.startswith(begin[name])) or _all_formats()


@cache
def _all_formats() -> tuple[str, ...]:
    import logging

    from PIL import Image

    # What it logs about a damaged file would stand beside the one message about it.
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _mode(channels: int) -> Literal["L", "RGB"]:
    if channels not in (1, 3):
        raise ValueError(f"channels must be 3 (RGB) or 1 (grey), got {channels}")
    return "L" if channels == 1 else "RGB"


def _unknown(data: bytes) -> str:
    if not data:
        return "the file is empty"
    if is_tiff(data):
        return (
            "a TIFF of a kind that Pillow cannot read; of more channels, train with "
            "backbone.channels"
        )
    hints = [hint for start, hint in _HINTS.items() if data.lstrip().startswith(start)]
    return hints[0] if hints else f"not an image in a known format ({', '.join(FORMATS)})"
