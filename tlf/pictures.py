"""From the bytes of a picture file to the tensor that a backbone expects.

The part of the chain that is the same in every epoch: decode → resize → crop. Everything random
is an augmentation and comes after it.

Pillow decodes and resizes. It is the reference that published weights were trained and measured
with, and the only exact way: on the 397 JPEGs of the ants-and-bees set torchvision's own decoder
(deprecated by now) gives the same pixels, but handing them to Pillow's resize costs what it saves,
and torchvision's faster resize of uint8 tensors is one grey level off in 0.2 % of the values.
"""

from functools import cache
from typing import TYPE_CHECKING, Literal

from tlf.errors import DataError
from tlf.preprocessing import Preprocessing

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from PIL import Image
    from torch import Tensor

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""What is read, by Pillow's names. Not all that Pillow knows: formats without a signature would
take any bytes for a picture, and others (EPS) start a program."""

SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".bmp", ".dib"),
        *(".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx"),
        *(".avif", ".heic", ".heif"),
    )
)
"""How the names of picture files end, in lower case. HEIC is among them, though it cannot be read:
somebody's phone pictures must be reported, not passed over."""

_HINTS = {
    b"<": "it holds a web page, SVG or XML, not pixels",
    b"version https://git-lfs": "it is a Git LFS pointer: fetch the real file with `git lfs pull`",
}
_HEIC_BRANDS = (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1", b"ftyphevc")
_CODECS = ("jpg", "libjpeg_turbo", "jpg_2000", "libtiff", "webp", "avif", "zlib", "zlib_ng")
"""The libraries that Pillow decodes with, by its names; it may have been built with any version."""
_TURNING = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
"""A PNG that says which way is up holds one of these, plain even where what follows is packed."""


# What the rest of tlf calls


def load(data: bytes, how: Preprocessing) -> "Tensor":
    """The fixed part of the chain in one go: a picture file → a uint8 picture (C, H, W).

    The very pixels of ``fit(decode(data, how.channels), how)``, with one copy less.

    Raises:
        DataError: these bytes are no picture that can be read.
    """
    return _to_tensor(_resize(open_picture(data, how.channels), how))


def loaded_shape(data: bytes, how: Preprocessing) -> tuple[int, int, int]:
    """The shape (C, H, W) of what ``load`` gives for a file that it can read.

    Nothing is decoded but a PNG that may say after its pixels which way is up.

    Raises:
        DataError: these bytes do not begin as a picture does, or the picture is too long and thin.
    """
    from io import BytesIO

    from PIL import Image

    try:
        image = Image.open(BytesIO(data), formats=_formats())
        width, height = _lying(image)
        turned = _may_be_turned(image, data) and _orientation(image) in (5, 6, 7, 8)
    except MemoryError:
        raise
    except Exception as error:  # whatever Pillow's readers stumble over; ``load`` says what
        raise DataError(str(error)) from error
    width, height = _fitted(*((height, width) if turned else (width, height)), how)
    return how.channels, height, width


def decoders() -> dict[str, object]:
    """What ``load`` depends on beside its arguments and this file, as JSON: what decodes, and what
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


def load_opened(image: "Image.Image", how: Preprocessing) -> "Tensor":
    """What ``load`` gives for a picture file, for a picture that Pillow has opened or made.

    Raises:
        DataError: its pixels cannot be read or have no fixed white, or it is too long and thin.
    """
    image.load()  # a TIFF says that it is turned until this turns it
    return _to_tensor(_resize(_convert(_upright(image), _mode(how.channels)), how))


def from_array(pixels: "NDArray[np.uint8]") -> "Image.Image":
    """Uint8 values, RGB (H, W, 3), RGBA (H, W, 4) or grey (H, W), as a Pillow picture.

    Raises:
        DataError: they are of another type or shape.
    """
    import numpy as np
    from PIL import Image

    shape = pixels.shape
    if pixels.dtype != np.uint8 or len(shape) < 2 or shape[2:] not in ((), (3,), (4,)):
        raise DataError(
            f"an array of {pixels.dtype} {shape} is no picture; "
            "give uint8, RGB (H, W, 3), RGBA (H, W, 4) or grey (H, W)"
        )
    if not pixels.size:
        raise DataError(f"an array of {shape} has no pixels")
    return Image.fromarray(pixels)


def decode(data: bytes, channels: int = 3) -> "Tensor":
    """A picture file → a uint8 picture (C, H, W) in full size; see ``open_picture``.

    Raises:
        DataError: these bytes are no picture that can be read.
    """
    return _to_tensor(open_picture(data, channels))


def fit(image: "Tensor", how: Preprocessing) -> "Tensor":
    """A uint8 picture (C, H, W) → the size that is cropped from: see ``target_size``.

    Bit-equal to ``Resize`` of torchvision's transforms on a Pillow picture, antialiased.

    Raises:
        DataError: the picture is so long and thin that it would fill the memory.
    """
    return _to_tensor(_resize(_from_tensor(image), how))


def center_crop(image: "Tensor", size: int) -> "Tensor":
    """The centre of a picture (C, H, W) → (C, ``size``, ``size``).

    A side that is shorter is filled up with black on both ends. Bit-equal to torchvision's
    ``CenterCrop``, the rounding of odd margins included.
    """
    from torch.nn.functional import pad

    height, width = image.shape[-2:]
    across, down = max(size - width, 0), max(size - height, 0)
    if across or down:
        image = pad(image, (across // 2, (across + 1) // 2, down // 2, (down + 1) // 2))
    top, left = _margin(image.shape[-2], size), _margin(image.shape[-1], size)
    return image[..., top : top + size, left : left + size]


def normalize(images: "Tensor", how: Preprocessing) -> "Tensor":
    """Uint8 pictures (B, C, H, W) → float32 ``(images / 255 - mean) / std``, on the same device.

    Three float32 operations in this order, each rounded once: bit-equal to torchvision's
    ``ToTensor`` and ``Normalize``. The memory order (channels last or not) stays what it is.

    Raises:
        ValueError: the pictures are not uint8, or have another number of channels than ``mean``.
    """
    import torch

    if images.dtype != torch.uint8 or images.shape[1] != how.channels:
        raise ValueError(
            f"normalize takes uint8 pictures of {how.channels} channels (B, C, H, W), "
            f"not {images.dtype} {tuple(images.shape)}"
        )
    white, mean, std = _constants(how.mean, how.std, images.device)
    return images.to(torch.float32).div_(white).sub_(mean).div_(std)


def target_size(width: int, height: int, how: Preprocessing) -> tuple[int, int]:
    """Width and height that a picture is resized to.

    The shorter side becomes ``how.resize`` and the longer one keeps the proportion, rounded down;
    or both become ``how.size`` where the picture is squashed.

    >>> target_size(500, 333, Preprocessing(resize=256))
    (384, 256)
    >>> target_size(500, 333, Preprocessing(size=224, crop="squash"))
    (224, 224)
    """
    if how.crop == "squash":
        return how.size, how.size
    if width <= height:
        return how.resize, int(how.resize * height / width)
    return int(how.resize * width / height), how.resize


def open_picture(data: bytes, channels: int = 3) -> "Image.Image":
    """A picture file → an 8-bit Pillow picture, RGB (``channels = 3``) or grey (1), pixels loaded.

    It is turned the way up that its EXIF data says. Transparency is laid on white. CMYK becomes
    RGB (inverted first where Adobe wrote it so), 16-bit grey is scaled to 8 bits, and of an
    animation the first frame counts. Colour profiles (ICC) are ignored, as they are where weights
    are trained.

    Raises:
        DataError: these bytes are no picture that can be read; says why, the caller says which.
    """
    from PIL import Image, UnidentifiedImageError

    mode = _mode(channels)
    try:
        return _convert(_upright(_loaded(data)), mode)
    except UnidentifiedImageError as error:
        raise DataError(_unknown(data)) from error
    except (DataError, MemoryError):  # too little memory is no fault of a picture
        raise
    except Image.DecompressionBombError as error:
        raise DataError(f"too large to be safe: {error}") from error
    # Pillow's readers raise whatever they stumble over: OSError, SyntaxError, struct.error, …
    except Exception as error:
        raise DataError(str(error) or type(error).__name__) from error


# Reading


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
        raise ValueError(f"pictures have 3 channels (RGB) or 1 (grey), not {channels}")
    return "L" if channels == 1 else "RGB"


def _unknown(data: bytes) -> str:
    if not data:
        return "the file is empty"
    if data[4:12] in _HEIC_BRANDS:
        return "HEIC cannot be read: convert it to JPEG or PNG"
    hints = [hint for start, hint in _HINTS.items() if data.lstrip().startswith(start)]
    return hints[0] if hints else f"not a picture in a known format ({', '.join(FORMATS)})"


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
    """Width and height of an opened picture before it is turned the right way up."""
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


def _convert(image: "Image.Image", mode: Literal["L", "RGB"]) -> "Image.Image":
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

    picture = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)


# Resizing and tensors


def _resize(image: "Image.Image", how: Preprocessing) -> "Image.Image":
    from PIL import Image

    size = _fitted(*image.size, how)
    return image.resize(size, Image.Resampling[how.interpolation.upper()])


def _fitted(width: int, height: int, how: Preprocessing) -> tuple[int, int]:
    from PIL import Image

    across, down = target_size(width, height, how)
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and across * down > 2 * limit:
        raise DataError(
            f"{width} × {height} pixels: too long and thin, it would become {across} × {down}"
        )
    return across, down


def _to_tensor(image: "Image.Image") -> "Tensor":
    import numpy as np
    import torch

    pixels = np.atleast_3d(np.array(image)).transpose(2, 0, 1)
    # numpy reorders in this thread; torch would wake all its threads for each picture.
    return torch.from_numpy(np.ascontiguousarray(pixels))


def _from_tensor(image: "Tensor") -> "Image.Image":
    from PIL import Image

    _mode(image.shape[0])
    pixels = image[0] if image.shape[0] == 1 else image.permute(1, 2, 0)
    return Image.fromarray(pixels.contiguous().numpy())


def _margin(side: int, size: int) -> int:
    return round((side - size) / 2)


@cache
def _constants(
    mean: tuple[float, ...], std: tuple[float, ...], device: "torch.device"
) -> "tuple[Tensor, Tensor, Tensor]":
    import torch

    def per_channel(values: tuple[float, ...]) -> "Tensor":
        return torch.tensor(values, dtype=torch.float32, device=device).view(-1, 1, 1)

    # White is a tensor on the device: CUDA multiplies by the rounded inverse of a plain number.
    return per_channel((255.0,)), per_channel(mean), per_channel(std)
