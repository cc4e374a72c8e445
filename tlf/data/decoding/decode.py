"""From the bytes of an image file to an upright 8-bit image, RGB or grey.

Pillow decodes: published weights were trained and measured with it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from threading import RLock
from typing import TYPE_CHECKING, Literal, NamedTuple

from tlf.data.decoding.eight_bits import LARGE, own_white, to_eight_bits
from tlf.errors import DataError
from tlf.preprocessing import WHITE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""The formats that are read, by Pillow's names. Pillow knows more, but formats without a signature
take any bytes for an image, and others (EPS) start a program."""

SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".bmp", ".dib"),
        *(".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx"),
        *(".avif", ".heic", ".heif"),
    )
)
"""How the names of image files end, in lower case. HEIC cannot be read but is among them: a phone's
images must be reported, not ignored."""

_HINTS = {
    b"<": "it holds a web page, SVG or XML, not pixels",
    b"version https://git-lfs": "it is a Git LFS pointer: fetch the real file with `git lfs pull`",
}
_HEIC_BRANDS = (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1", b"ftyphevc")
_CODECS = ("jpg", "libjpeg_turbo", "jpg_2000", "libtiff", "webp", "avif", "zlib", "zlib_ng")
"""The libraries that Pillow decodes with, by its names; each build may have other versions."""
_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
"""How files of the two commonest formats begin."""
_LONGEST = 2**20
"""Pixels of the longer side, at most: a header of some bytes may claim a line of 16 million, which
libraries take minutes to decode."""
_one_at_a_time = RLock()
"""Held while a large image is decoded: a small file may hold one that takes a gigabyte, and every
thread might take that much at once."""
_ORIENTATION_MARKS = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
"""A PNG with an orientation holds one of these, uncompressed even if the orientation is not."""


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
    with _reported(data):
        image = _opened(data)
        with _one_at_a_time if image.width * image.height > LARGE else nullcontext():
            return standard(image, channels, white)


def standard(image: "Image.Image", channels: int = 3, white: int = WHITE) -> "Image.Image":
    """The same as ``open_image``, for an image that Pillow has opened or made.

    Raises:
        DataError: its values have no fixed white.
    """
    image.load()  # this applies a TIFF's orientation, which would be applied again without it
    own = own_white(image, white)  # asked before a rotation: then it no longer has a format
    return to_eight_bits(_upright(image), _mode(channels), own)


def upright_size(data: bytes) -> tuple[int, int]:
    """Width and height of the image that ``open_image`` gives, if it can read the file.

    Nothing is decoded, except a PNG that may hold its orientation after its pixels.

    Raises:
        DataError: the header of an image cannot be read.
    """
    try:
        image = _opened(data)
        width, height = _stored_size(image)
        sideways = _may_be_rotated(image, data) and _orientation(image) in (5, 6, 7, 8)
    except MemoryError:
        raise
    # Pillow's readers raise errors of many types; ``open_image`` reports the reason.
    except Exception as error:
        raise DataError(str(error)) from error
    return (height, width) if sideways else (width, height)


class Beyond(NamedTuple):
    """What a file holds that an 8-bit image cannot show."""

    depth: Literal["", "grey", "colour"] = ""
    """Whether it holds 16-bit values without a white of their own, and of which kind."""
    pages: bool = False
    """Whether it holds more than one page or frame."""


def beyond(data: bytes) -> Beyond:
    """What a file holds beyond an 8-bit image. Of a PNG, only its first bytes are read."""
    if data.startswith(_JPEG):
        return Beyond()
    if data.startswith(_PNG):
        depth: Literal["grey", "colour"] = "grey" if data[25:26] == b"\0" else "colour"
        animated = data.find(b"acTL", 0, 4096) >= 0
        return Beyond(depth if data[24:25] == b"\x10" else "", animated)
    try:
        image = _opened(data)
        colour = image.format == "TIFF" and ";16" in str(getattr(image, "tile", ""))
        grey = own_white(image, 0) == 0
        return Beyond("grey" if grey else "colour" if colour else "", _has_pages(image))
    except MemoryError:
        raise
    except Exception:  # Pillow's readers raise errors of many types; ``open_image`` reports them
        return Beyond()


def largest_value(data: bytes) -> int:
    """The largest value of an image file before it is scaled: above 255 only for 16-bit grey.

    Raises:
        DataError: the bytes cannot be read as an image.
    """
    import numpy as np

    with _reported(data):
        return int(np.asarray(_opened(data)).max())


def from_array(pixels: "NDArray[np.uint8]") -> "Image.Image":
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


def decoders() -> dict[str, object]:
    """What decoding depends on beside its arguments and this file, as JSON: the versions of the
    libraries that decode, and Pillow's global settings, which a program may have changed.
    """
    from importlib.metadata import version

    from PIL import Image, ImageFile, features

    return {
        "pillow": version("pillow"),
        "numpy": version("numpy"),
        "codecs": {name: features.version(name) for name in _CODECS},
        "most pixels": Image.MAX_IMAGE_PIXELS,
        "truncated": ImageFile.LOAD_TRUNCATED_IMAGES,
    }


@contextmanager
def _reported(data: bytes) -> Iterator[None]:
    """Turn whatever Pillow raises for a file into a DataError."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except UnidentifiedImageError as error:
        raise DataError(_unknown(data)) from error
    except (DataError, MemoryError):  # with more memory the image can be read
        raise
    except Image.DecompressionBombError as error:
        raise DataError(f"too large to be safe: {error}") from error
    # Pillow's readers raise errors of many types: OSError, SyntaxError, struct.error, …
    except Exception as error:
        raise DataError(str(error) or type(error).__name__) from error


def _opened(data: bytes) -> "Image.Image":
    """An image whose header is read; its pixels are not.

    Raises:
        DataError: it is too long to be decoded in a reasonable time.
    """
    from io import BytesIO

    from PIL import Image

    image = Image.open(BytesIO(data), formats=_formats(data))
    if max(image.size) > _LONGEST:
        width, height = image.size
        raise DataError(f"{width} × {height} pixels: no side may have more than {_LONGEST:,}")
    return image


def _formats(data: bytes) -> tuple[str, ...]:
    """The formats that a file may have. The two commonest spare Pillow 40 imports."""
    begin = {"JPEG": _JPEG, "PNG": _PNG}
    return tuple(name for name in begin if data.startswith(begin[name])) or _all_formats()


@cache
def _all_formats() -> tuple[str, ...]:
    from PIL import Image

    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _mode(channels: int) -> Literal["L", "RGB"]:
    if channels not in (1, 3):
        raise ValueError(f"channels must be 3 (RGB) or 1 (grey), got {channels}")
    return "L" if channels == 1 else "RGB"


def _unknown(data: bytes) -> str:
    if not data:
        return "the file is empty"
    if data[4:12] in _HEIC_BRANDS:
        return "HEIC cannot be read; convert it to JPEG or PNG"
    hints = [hint for start, hint in _HINTS.items() if data.lstrip().startswith(start)]
    return hints[0] if hints else f"not an image in a known format ({', '.join(FORMATS)})"


def _upright(image: "Image.Image") -> "Image.Image":
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
    operation = operations.get(_orientation(image))
    return image if operation is None else image.transpose(operation)


def _stored_size(image: "Image.Image") -> tuple[int, int]:
    """Width and height of an opened image before its orientation is applied."""
    from PIL.ExifTags import Base
    from PIL.TiffImagePlugin import TiffImageFile

    if isinstance(image, TiffImageFile):  # newer Pillows rotate ``size`` before the pixels
        return image.tag_v2[Base.ImageWidth], image.tag_v2[Base.ImageLength]
    return image.size


def _may_be_rotated(image: "Image.Image", data: bytes) -> bool:
    # To read a PNG's EXIF data Pillow decodes it, since the data may come after the pixels.
    return image.format != "PNG" or any(mark in data for mark in _ORIENTATION_MARKS)


def _orientation(image: "Image.Image") -> int:
    import struct

    from PIL.ExifTags import Base

    try:
        value = image.getexif().get(Base.Orientation, 1)
    # A damaged EXIF block gives no orientation, but the pixels are good.
    # UserWarning: what Pillow raises where warnings are errors.
    except (SyntaxError, ValueError, KeyError, TypeError, OSError, struct.error, UserWarning):
        return 1
    return value if isinstance(value, int) else 1


def _has_pages(image: "Image.Image") -> bool:
    if image.format != "TIFF":
        return bool(getattr(image, "is_animated", False))
    try:
        image.seek(1)  # Pillow would walk through all pages to count them
    except EOFError:
        return False
    return True
