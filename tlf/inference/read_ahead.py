"""Read images in threads, while the network computes what was read before."""

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import PathLike, fspath
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from tlf.data.decoding.decode import from_array
from tlf.data.decoding.values import is_plain
from tlf.data.image_files import read_image
from tlf.data.transforms import center_crop, load, load_opened
from tlf.errors import DataError, StorageError
from tlf.preprocessing import Preprocessing
from tlf.runtime.ahead import ahead
from tlf.runtime.cores import usable_cores
from tlf.runtime.text import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

ImageLike: TypeAlias = (
    "str | PathLike[str] | bytes | Image.Image | NDArray[np.uint8] | NDArray[np.uint16]"
)
"""An image file's path, its bytes, a Pillow image, or a NumPy array: of uint8, RGB (H, W, 3),
RGBA (H, W, 4) or grey (H, W); of uint8 or uint16, with the backbone's channels (H, W, C)."""


@dataclass(frozen=True)
class StoredImage:
    """An image that a dataset holds."""

    name: str
    read: Callable[[], bytes]
    """Its bytes; called in the thread that decodes them."""


def read_ahead(
    images: "Iterable[ImageLike | StoredImage]",
    preprocessing: Preprocessing,
    unreadable: Callable[[DataError], object] | None = None,
    *,
    by: int,
    crop: Callable[[Tensor, int], Tensor] = center_crop,
) -> Iterator[tuple[str | None, Tensor]]:
    """The path of each image, if it has one, and its pixels (C, S, S), in order.

    Parameters:
        images: any number of images; they are taken as they are needed.
        preprocessing: how they are prepared.
        unreadable: called with each error, instead of raising it.
        by: how many images are read beside the use of the one before them. No more are held.
        crop: what is taken of a resized image (C, H, W) for the model's size S.

    Raises:
        DataError: names the image that is missing or unreadable.
    """
    # Pillow and numpy let other threads run while they decode, resize and copy.
    pool = ThreadPoolExecutor(min(by, usable_cores()))
    python_ends = sys.is_finalizing  # global names may be gone by then
    try:
        numbered = enumerate(images)
        begun = (pool.submit(read_one, image, preprocessing, n, crop) for n, image in numbered)
        for image in ahead(begun, by):
            try:
                read = image.result()
            except DataError as error:
                if unreadable is None or isinstance(error, StorageError):
                    raise
                # Its traceback would keep the bytes of the file in memory.
                unreadable(DataError(*error.args))
            else:
                yield read
    finally:
        if not python_ends():  # which has joined the threads already
            pool.shutdown(cancel_futures=True)


def read_one(
    image: "ImageLike | StoredImage",
    preprocessing: Preprocessing,
    number: int,
    crop: Callable[[Tensor, int], Tensor] = center_crop,
) -> tuple[str | None, Tensor]:
    """The path of an image, if it has one, and its pixels (C, S, S). An image without a path is
    named by its ``number``.

    Raises:
        DataError: names the image that is missing or unreadable.
    """
    path = _path(image)
    name = printable(path or f"image {number}")
    try:
        pixels = _load(image, preprocessing)
    except OSError as error:
        raise DataError(f"{name}: {error.strerror or error}; name an image file") from error
    except StorageError:
        raise
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    return path, _copied(crop(_prepared(pixels, preprocessing), preprocessing.size))


def _prepared(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """The same after what plugins do to every image."""
    if not preprocessing.prepare:
        return pixels
    from tlf.recipe.prepare import prepared

    return prepared(pixels, preprocessing)


def _copied(crop: Tensor) -> Tensor:
    """The same pixels without the image around them, which may be long.

    numpy copies in this thread; torch would start threads of its own beside it.
    """
    import numpy as np

    return torch.from_numpy(np.ascontiguousarray(crop.numpy()))


def _load(image: "ImageLike | StoredImage", preprocessing: Preprocessing) -> Tensor:
    """An image in any form → pixels (C, H, W), resized."""
    import numpy as np
    from PIL import Image

    if isinstance(image, StoredImage):
        image = _bytes(image)
    elif isinstance(image, str | PathLike):
        image = read_image(image)
    if isinstance(image, bytes):
        return load(image, preprocessing)
    if isinstance(image, np.ndarray) and image.dtype != np.uint16 and is_plain(preprocessing):
        image = from_array(image)  # of four channels, the last is transparency
    if not isinstance(image, Image.Image | np.ndarray):
        raise DataError(
            f"{type(image).__name__} is no image; "
            "give a path, the bytes of a file, a Pillow image, a NumPy array, or a list of these"
        )
    return load_opened(image, preprocessing)


def _bytes(image: StoredImage) -> bytes:
    try:
        return image.read()
    except OSError as error:
        raise DataError(error.strerror or str(error)) from error


def _path(image: "ImageLike | StoredImage") -> str | None:
    if isinstance(image, StoredImage):
        return image.name
    return fspath(image) if isinstance(image, str | PathLike) else None
