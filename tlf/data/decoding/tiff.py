"""TIFF files of more samples, or more bits, than Pillow reads: by tifffile, an extra."""

import logging
from typing import TYPE_CHECKING, Any

from tlf.data.decoding.arrays import checked
from tlf.data.decoding.orientation import SIDEWAYS, upright_values
from tlf.errors import DataError

if TYPE_CHECKING:
    from tlf.data.decoding.arrays import Values

_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def is_tiff(data: bytes) -> bool:
    """Whether a file is a TIFF by its first bytes."""
    return data.startswith(_STARTS)


def tiff_size(data: bytes) -> tuple[int, int]:
    """Width and height of the upright image in a TIFF. Nothing is decoded.

    Raises:
        DataError: the file cannot be read, or has no pixels.
    """
    with _opened(data) as file:
        page = file.pages[0]
        height, width = page.imagelength, page.imagewidth
        if min(height, width) < 1:
            raise DataError(f"an image must have pixels, got {width} × {height}")
        return (height, width) if _orientation(page) in SIDEWAYS else (width, height)


def tiff_values(data: bytes, channels: int) -> "Values":
    """The upright image (H, W, S) in a TIFF: the samples of its first page; or, of a file of
    ``channels`` pages with one sample each, every page as a channel.

    Raises:
        DataError: the file cannot be read, or holds other values.
    """
    import numpy as np

    with _opened(data) as file:
        first = file.pages[0]
        single = first.samplesperpixel == 1 and channels > 3
        pages = file.pages if single and len(file.pages) == channels else [first]
        values = [_values(page) for page in pages]
    if len({(each.shape, each.dtype) for each in values}) > 1:
        raise DataError("its pages must have one size and one type, to be channels of an image")
    return np.concatenate(values, axis=2)


def _values(page: Any) -> "Values":  # noqa: ANN401 - of tifffile
    """The image (H, W, S) of a page."""
    import numpy as np
    from PIL import Image

    limit, pixels = Image.MAX_IMAGE_PIXELS, page.imagewidth * page.imagelength
    if limit is not None and pixels > 2 * limit:
        raise DataError(
            f"too large to be safe: {pixels:,} pixels, more than the limit of {2 * limit:,}"
        )
    if page.dtype not in (np.uint8, np.uint16):
        raise DataError(f"its values must be uint8 or uint16, got {page.dtype}; save it so")
    values = page.asarray(maxworkers=1)
    if values.ndim == 3 and page.axes.startswith("S"):
        values = values.transpose(1, 2, 0)
    return upright_values(checked(values), _orientation(page))


def _orientation(page: Any) -> int:  # noqa: ANN401 - of tifffile
    tag = page.tags.get("Orientation")
    return 1 if tag is None else int(tag.value)


def _opened(data: bytes) -> Any:  # noqa: ANN401 - of tifffile
    from io import BytesIO

    try:
        import tifffile
    except ImportError as error:
        raise DataError(
            "a TIFF of more than 4 channels, or of 16 bits per colour, is read by tifffile; write "
            "pip install 'tlf[tiff]'"
        ) from error
    # What it logs about a damaged file would stand beside the one message about it.
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    return tifffile.TiffFile(BytesIO(data))
