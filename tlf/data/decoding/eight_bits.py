"""From an image as its file holds it to 8 bits, RGB or grey."""

from typing import TYPE_CHECKING, Literal

from tlf.errors import DataError
from tlf.preprocessing import WHITE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

LARGE = 2**24
"""So many pixels are converted at once: each step would otherwise take as much memory as the whole
image."""


def own_white(image: "Image.Image", white: int) -> int | None:
    """The value that is white in a 16-bit grey image: that of its file, else ``white``. None for
    any other image.
    """
    from PIL.ExifTags import Base
    from PIL.TiffImagePlugin import TiffImageFile

    deep = image.mode.startswith("I;16")
    if not deep and not (image.mode == "I" and image.format in ("PNG", "PPM")):
        return None
    if image.format in ("PPM", "JPEG2000"):  # Pillow scales their values to 16 bits
        return WHITE
    bits = image.tag_v2.get(Base.BitsPerSample) if isinstance(image, TiffImageFile) else None
    return 2**12 - 1 if bits == (12,) else white


def to_eight_bits(
    image: "Image.Image", mode: Literal["L", "RGB"], white: int | None
) -> "Image.Image":
    """The image in 8 bits, transparent pixels on white.

    Parameters:
        image: the image, upright.
        mode: the mode that it gets.
        white: what ``own_white`` gave for it before it was rotated.

    Raises:
        DataError: its values have no fixed white.
    """
    from PIL import Image

    if white is None and image.mode in ("I", "F"):
        raise DataError("32-bit values have no fixed white; save it with 8 or 16 bits per channel")
    rows = max(1, LARGE // image.width)
    if image.height <= rows or (image.mode == mode and not image.has_transparency_data):
        return _converted(image, mode, white)
    result = Image.new(mode, image.size)  # strip by strip: each step would take as much memory
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        result.paste(_converted(strip, mode, white), (0, top))
    return result


def deep_grey(image: "Image.Image", white: int) -> "NDArray[np.integer]":
    """The values (H, W) of a 16-bit grey image, up to its white; transparent pixels are white.

    Parameters:
        image: the image. A PNG may name one value that is transparent.
        white: what ``own_white`` gave for it before it was rotated.
    """
    import numpy as np

    held = np.asarray(image)
    values: NDArray[np.integer] = np.minimum(held, white)
    if (transparent := image.info.get("transparency")) is not None:
        values[held == transparent] = white
    return values


def _converted(image: "Image.Image", mode: Literal["L", "RGB"], white: int | None) -> "Image.Image":
    if white is not None:
        image = _scaled(image, white)
    if image.has_transparency_data:
        image = _on_white(image)
    return image if image.mode == mode else image.convert(mode)


def _scaled(image: "Image.Image", white: int) -> "Image.Image":
    import numpy as np
    from PIL import Image

    # This rounds to the nearest. Pillow's own conversion clips at 255.
    values = deep_grey(image, white).astype(np.uint32)
    return Image.fromarray(((values * 255 + white // 2) // white).astype(np.uint8))


def _on_white(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
