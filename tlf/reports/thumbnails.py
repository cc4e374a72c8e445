"""Small images inside a page."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from tlf.data.decoding.values import picture
from tlf.errors import TlfError

if TYPE_CHECKING:
    from PIL.Image import Image

SIDES = (96, 64, 48, 32)
"""Pixels of the longer side: the first with which all thumbnails together are small enough."""
MOST_THUMBNAILS = 200
"""Thumbnails in a page, at most."""
LARGEST = 5_000_000
"""Bytes of all thumbnails of a page together, at most, as the page holds them."""
QUALITY = 80


def thumbnails(reads: Sequence[Callable[[], bytes]], largest: int = LARGEST) -> list[str | None]:
    """JPEG files in base64, one for each image; None for one that cannot be read or shown.

    Parameters:
        reads: the bytes of each image.
        largest: the characters of all of them together, at most.
    """
    images = [_small(read) for read in reads]
    for side in SIDES:
        made = [None if image is None else jpeg(image, side) for image in images]
        if sum(len(file) for file in made if file is not None) <= largest:
            return made
    return [None] * len(reads)


def _small(read: Callable[[], bytes]) -> "Image | None":
    try:
        image = picture(read())
    except (TlfError, OSError):  # what a page is about are figures: it says that one is not shown
        return None
    image.thumbnail((SIDES[0], SIDES[0]))
    return image


def jpeg(image: "Image", side: int) -> str:
    """A JPEG file in base64, whose longer side has so many pixels at most."""
    copy, file = image.copy(), BytesIO()
    copy.thumbnail((side, side))
    copy.save(file, "JPEG", quality=QUALITY, optimize=True)
    return b64encode(file.getvalue()).decode()
