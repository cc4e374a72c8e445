"""Images that Pillow has no mode for, as arrays (H, W, C) of uint8 or uint16: their depth, their
channels, and files of NumPy.
"""

from typing import TYPE_CHECKING, Any

from tlf.errors import DataError
from tlf.preprocessing import MOST_CHANNELS, WHITE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    Values = NDArray[np.unsignedinteger[Any]]
    """Of uint8 or uint16."""

NPY = b"\x93NUMPY"
"""How files of ``numpy.save`` begin."""

_LUMA = (19595, 38470, 7471)
"""How much red, green and blue count in grey, of 65,536: ITU-R 601, as Pillow rounds it."""


def npy_shape(data: bytes) -> tuple[int, int, int]:
    """The shape (H, W, C) of the image in a file of NumPy. Its values are not read.

    Raises:
        DataError: it holds no image.
    """
    height, width, channels, *_ = _header(data)
    return height, width, channels


def npy_values(data: bytes) -> "Values":
    """The image (H, W, C) in a file of NumPy. Nothing is unpickled.

    Raises:
        DataError: it holds no image, or not all of it.
    """
    from math import prod

    import numpy as np

    *shape, dtype, by_column, start = _header(data)
    expected, got = prod(shape) * dtype.itemsize, len(data) - start
    if got != expected:
        raise DataError(
            f"its header says {' × '.join(map(str, shape))} {dtype}, which are {expected:,} bytes, "
            f"but {got:,} follow: the file is cut or damaged"
        )
    read = np.frombuffer(data, dtype, offset=start)
    ordered = read.reshape(shape, order="F" if by_column else "C")
    values: Values = np.array(ordered, dtype.newbyteorder("="), order="C")
    return values


def checked(values: "NDArray[np.generic]") -> "Values":
    """An array as an image (H, W, C).

    Raises:
        DataError: it has another type or shape.
    """
    height, width, channels = _image_shape(values.shape, values.dtype)
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    return native.reshape(height, width, channels)


def to_depth(values: "Values", depth: int, white: int = WHITE) -> "Values":
    """The same values in 8 or 16 bits, each rounded to the nearest.

    Parameters:
        values: any shape.
        depth: 8 or 16.
        white: the value of 16 bits that becomes the largest one; larger ones do, too.
    """
    import numpy as np

    if values.dtype == np.uint8:
        return values if depth == 8 else values.astype(np.uint16) * 257
    if depth == 16 and white == WHITE:
        return values
    largest = 2**depth - 1
    scaled = np.minimum(values, white).astype(np.uint32)
    scaled = (scaled * largest + white // 2) // white
    result: Values = scaled.astype(np.uint8 if depth == 8 else np.uint16)
    return result


def to_channels(values: "Values", channels: int) -> "Values":
    """An image (H, W, S) with another number of channels: of colours grey is made, and of grey
    three equal colours.

    Raises:
        DataError: neither is possible.
    """
    import numpy as np

    height, width, own = values.shape
    if own == channels:
        return values
    if (own, channels) == (1, 3):
        return np.repeat(values, 3, axis=2)
    if (own, channels) == (3, 1):
        grey = values.astype(np.uint32) @ np.array(_LUMA, np.uint32)
        return ((grey + 2**15) >> 16).astype(values.dtype)[..., None]
    raise other_channels((height, width, own), channels)


def other_channels(shape: tuple[int, int, int], channels: int) -> DataError:
    """The error about an image (H, W, C) of other channels than the backbone takes."""
    wanted = f"{channels} channel{'s' if channels > 1 else ''}"
    other = f"save the image with {wanted}, or train with backbone.channels = {shape[2]}"
    return DataError(
        f"the backbone takes {wanted}, the image has {shape[2]} ({' × '.join(map(str, shape))}); "
        + ("channels come last: save it as (H, W, C)" if shape[0] == channels > 1 else other)
    )


def shown(values: "Values") -> "NDArray[np.uint8]":
    """An image (H, W, C) for a person: 8 bits, grey or the first three channels."""
    import numpy as np

    eight = to_depth(values, 8).astype(np.uint8, copy=False)
    return eight[..., :3] if eight.shape[2] >= 3 else eight[..., :1]


def shown_picture(values: "Values") -> "Image.Image":
    """The same as a Pillow image."""
    from PIL import Image

    seen = shown(values)
    return Image.fromarray(seen if seen.shape[2] == 3 else seen[..., 0])


def _header(data: bytes) -> "tuple[int, int, int, np.dtype[np.generic], bool, int]":
    """H, W, C, the type, whether columns follow each other instead of rows, and where values begin.

    Raises:
        DataError: it holds no image.
    """
    from io import BytesIO

    from numpy.lib import format as npy

    file = BytesIO(data)
    try:
        version = npy.read_magic(file)
        reading = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        if version not in reading:
            raise ValueError(f"its version is {version[0]}.{version[1]}")
        shape, by_column, dtype = reading[version](file)
        shape = (*map(int, shape),)
    # A header is text that NumPy parses: a damaged one raises errors of many types.
    except Exception as error:
        raise DataError(f"its header cannot be read as NumPy's: {error}") from error
    return *_image_shape(shape, dtype), dtype, by_column, file.tell()


def _image_shape(shape: tuple[int, ...], dtype: "np.dtype[np.generic]") -> tuple[int, int, int]:
    import numpy as np

    if dtype not in (np.uint8, np.dtype("<u2"), np.dtype(">u2")) or len(shape) not in (2, 3):
        raise DataError(
            "an array must be uint8 or uint16, of shape (H, W, C) or (H, W), got "
            f"{dtype} {shape}; save it so"
        )
    height, width, channels = (*shape, 1)[:3]
    if min(height, width, channels) < 1:
        raise DataError(f"an array must have pixels, got the shape {shape}")
    if channels > MOST_CHANNELS:
        raise DataError(
            f"an array must have at most {MOST_CHANNELS} channels, which come last, got the shape "
            f"{shape}; save it as (H, W, C)"
        )
    return height, width, channels
