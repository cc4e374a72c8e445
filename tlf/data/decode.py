"""From the bytes of an image file to an 8-bit image, the right way up, RGB or grey.

Pillow decodes. It is the reference that published weights were trained and measured with.
"""

from functools import cache
from typing import TYPE_CHECKING, Literal

from tlf.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""What is read, by Pillow's names. Not all that Pillow knows: formats without a signature would
take any bytes for an image, and others (EPS) start a program."""

SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".bmp", ".dib"),
        *(".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx"),
        *(".avif", ".heic", ".heif"),
    )
)
"""How the names of image files end, in lower case. HEIC is among them, though it cannot be read:
somebody's phone images must be reported, not passed over."""

_HINTS = {
    b"<": "it holds a web page, SVG or XML, not pixels",
    b"version https://git-lfs": "it is a Git LFS pointer: fetch the real file with `git lfs pull`",
}
_HEIC_BRANDS = (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1", b"ftyphevc")
_CODECS = ("jpg", "libjpeg_turbo", "jpg_2000", "libtiff", "webp", "avif", "zlib", "zlib_ng")
"""The libraries that Pillow decodes with, by its names; it may have been built with any version."""
_TURNING = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
"""A PNG that says which way is up holds one of these, plain even where what follows is packed."""


def open_image(data: bytes, channels: int = 3) -> "Image.Image":
    """An image file → an 8-bit Pillow image, RGB (``channels = 3``) or grey (1), pixels loaded.

    It is turned the way up that its EXIF data says. Transparency is laid on white. CMYK becomes
    RGB (inverted first where Adobe wrote it so), 16-bit grey is scaled to 8 bits, and of an
    animation the first frame counts. Colour profiles (ICC) are ignored, as they are where weights
    are trained.

    Raises:
        DataError: these bytes are no image that can be read; says why, the caller says which.
    """
    from PIL import Image, UnidentifiedImageError

    _mode(channels)
    try:
        return standard(_loaded(data), channels)
    except UnidentifiedImageError as error:
        raise DataError(_unknown(data)) from error
    except (DataError, MemoryError):  # too little memory is no fault of an image
        raise
    except Image.DecompressionBombError as error:
        raise DataError(f"too large to be safe: {error}") from error
    # Pillow's readers raise whatever they stumble over: OSError, SyntaxError, struct.error, …
    except Exception as error:
        raise DataError(str(error) or type(error).__name__) from error


def standard(image: "Image.Image", channels: int = 3) -> "Image.Image":
    """What ``open_image`` gives for a file, for an image that Pillow has opened or made.

    Raises:
        DataError: its values have no fixed white.
    """
    image.load()  # a TIFF says that it is turned until this turns it
    return _converted(_upright(image), _mode(channels))


def upright_size(data: bytes) -> tuple[int, int]:
    """Width and height of what ``open_image`` gives for a file that it can read.

    Nothing is decoded but a PNG that may say after its pixels which way is up.

    Raises:
        DataError: these bytes do not begin as an image does.
    """
    from io import BytesIO

    from PIL import Image

    try:
        image = Image.open(BytesIO(data), formats=_formats())
        width, height = _lying(image)
        turned = _may_be_turned(image, data) and _orientation(image) in (5, 6, 7, 8)
    except MemoryError:
        raise
    # Whatever Pillow's readers stumble over; ``open_image`` says what.
    except Exception as error:
        raise DataError(str(error)) from error
    return (height, width) if turned else (width, height)


def from_array(pixels: "NDArray[np.uint8]") -> "Image.Image":
    """Uint8 values, RGB (H, W, 3), RGBA (H, W, 4) or grey (H, W), as a Pillow image.

    Raises:
        DataError: they are of another type or shape.
    """
    import numpy as np
    from PIL import Image

    shape = pixels.shape
    if pixels.dtype != np.uint8 or len(shape) < 2 or shape[2:] not in ((), (3,), (4,)):
        raise DataError(
            f"an array of {pixels.dtype} {shape} is no image; "
            "give uint8, RGB (H, W, 3), RGBA (H, W, 4) or grey (H, W)"
        )
    if not pixels.size:
        raise DataError(f"an array of {shape} has no pixels")
    return Image.fromarray(pixels)


def decoders() -> dict[str, object]:
    """What opening depends on beside its arguments and this file, as JSON: what decodes, and what
    whoever calls tlf may have told Pillow to refuse or to let pass.
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
        raise ValueError(f"images have 3 channels (RGB) or 1 (grey), not {channels}")
    return "L" if channels == 1 else "RGB"


def _unknown(data: bytes) -> str:
    if not data:
        return "the file is empty"
    if data[4:12] in _HEIC_BRANDS:
        return "HEIC cannot be read: convert it to JPEG or PNG"
    hints = [hint for start, hint in _HINTS.items() if data.lstrip().startswith(start)]
    return hints[0] if hints else f"not an image in a known format ({', '.join(FORMATS)})"


def _upright(image: "Image.Image") -> "Image.Image":
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    turn = turns.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _lying(image: "Image.Image") -> tuple[int, int]:
    """Width and height of an opened image before it is turned the right way up."""
    from PIL.ExifTags import Base
    from PIL.TiffImagePlugin import TiffImageFile

    if isinstance(image, TiffImageFile):  # newer Pillows turn its ``size``, not yet its pixels
        return image.tag_v2[Base.ImageWidth], image.tag_v2[Base.ImageLength]
    return image.size


def _may_be_turned(image: "Image.Image", data: bytes) -> bool:
    # Asked for its EXIF data, Pillow decodes a PNG to look behind the pixels too.
    return image.format != "PNG" or any(word in data for word in _TURNING)


def _orientation(image: "Image.Image") -> int:
    import struct

    from PIL.ExifTags import Base

    try:
        value = image.getexif().get(Base.Orientation, 1)
    # The pixels are whole all the same; a damaged EXIF block does not say which way is up.
    # UserWarning is how Pillow puts it where warnings are errors.
    except (SyntaxError, ValueError, KeyError, TypeError, OSError, struct.error, UserWarning):
        return 1
    return value if isinstance(value, int) else 1


def _converted(image: "Image.Image", mode: Literal["L", "RGB"]) -> "Image.Image":
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        image = _eight_bits(image)
    if image.mode in ("I", "F"):
        raise DataError("32-bit values have no fixed white: save it with 8 or 16 bits per channel")
    if image.has_transparency_data:
        image = _on_white(image)
    return image if image.mode == mode else image.convert(mode)


def _eight_bits(image: "Image.Image") -> "Image.Image":
    import numpy as np
    from PIL import Image

    # 65535 = 255 × 257, so this is rounding to the nearest; Pillow's own conversion clips at 255.
    values = np.asarray(image).astype(np.uint32)
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def _on_white(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
