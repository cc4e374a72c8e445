"""From the bytes of an image file to an upright 8-bit image, RGB or grey.

Pillow decodes: published weights were trained and measured with it.
"""

from functools import cache
from typing import TYPE_CHECKING, Literal

from tlf.errors import DataError

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
_ORIENTATION_MARKS = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
"""A PNG with an orientation holds one of these, uncompressed even if the orientation is not."""


def open_image(data: bytes, channels: int = 3) -> "Image.Image":
    """An image file → an 8-bit Pillow image, RGB (``channels = 3``) or grey (1), pixels loaded.

    It is rotated as its EXIF data says. Transparent pixels become white. CMYK becomes RGB (inverted
    first where Adobe wrote it so), 16-bit grey is scaled to 8 bits, and an animation gives its
    first frame. Colour profiles (ICC) are ignored, as in the training of published weights.

    Raises:
        DataError: the bytes cannot be read as an image; says why. The caller says which image.
    """
    from PIL import Image, UnidentifiedImageError

    _mode(channels)
    try:
        return standard(_loaded(data), channels)
    except UnidentifiedImageError as error:
        raise DataError(_unknown(data)) from error
    except (DataError, MemoryError):  # with more memory the image can be read
        raise
    except Image.DecompressionBombError as error:
        raise DataError(f"too large to be safe: {error}") from error
    # Pillow's readers raise errors of many types: OSError, SyntaxError, struct.error, …
    except Exception as error:
        raise DataError(str(error) or type(error).__name__) from error


def standard(image: "Image.Image", channels: int = 3) -> "Image.Image":
    """The same as ``open_image``, for an image that Pillow has opened or made.

    Raises:
        DataError: its values have no fixed white.
    """
    image.load()  # this applies a TIFF's orientation, which would be applied again without it
    return _converted(_upright(image), _mode(channels))


def upright_size(data: bytes) -> tuple[int, int]:
    """Width and height of the image that ``open_image`` gives, if it can read the file.

    Nothing is decoded, except a PNG that may hold its orientation after its pixels.

    Raises:
        DataError: the header of an image cannot be read.
    """
    from io import BytesIO

    from PIL import Image

    try:
        image = Image.open(BytesIO(data), formats=_formats())
        width, height = _stored_size(image)
        sideways = _may_be_rotated(image, data) and _orientation(image) in (5, 6, 7, 8)
    except MemoryError:
        raise
    # Pillow's readers raise errors of many types; ``open_image`` reports the reason.
    except Exception as error:
        raise DataError(str(error)) from error
    return (height, width) if sideways else (width, height)


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


def _loaded(data: bytes) -> "Image.Image":
    from io import BytesIO

    from PIL import Image

    image = Image.open(BytesIO(data), formats=_formats())
    image.load()
    return image


@cache
def _formats() -> tuple[str, ...]:
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


def _converted(image: "Image.Image", mode: Literal["L", "RGB"]) -> "Image.Image":
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        image = _eight_bits(image)
    if image.mode in ("I", "F"):
        raise DataError("32-bit values have no fixed white; save it with 8 or 16 bits per channel")
    if image.has_transparency_data:
        image = _on_white(image)
    return image if image.mode == mode else image.convert(mode)


def _eight_bits(image: "Image.Image") -> "Image.Image":
    import numpy as np
    from PIL import Image

    # 65535 = 255 × 257: this rounds to the nearest. Pillow's own conversion clips at 255.
    values = np.asarray(image).astype(np.uint32)
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def _on_white(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
