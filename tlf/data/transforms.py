"""From the bytes of an image file to the tensor that a backbone expects.

The steps that are the same in every epoch: decode → resize → crop. Every random step is an
augmentation and comes after them. Only a random crop may come first: it is then cut from the image
as it was decoded.

Pillow decodes (see ``tlf.data.decoding.decode``) and resizes: published weights were trained and
measured with it, and no faster way is exact. On the 397 JPEGs of the ants-and-bees set
torchvision's own decoder (deprecated) gives the same pixels, but passing them to Pillow's resize
takes the time that it saves; and torchvision's faster resize of uint8 tensors is one grey level off
in 0.2 % of the values. Random crops are resized by torchvision: they are new in every epoch.
"""

from functools import cache
from typing import TYPE_CHECKING

from tlf.data.decoding.decode import open_image, standard, upright_size
from tlf.errors import DataError
from tlf.preprocessing import WHITE, Preprocessing

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from PIL import Image
    from torch import Tensor

_STRIP = 2**18
"""Bytes of a large image that are copied at a time. Pillow would hold all of them three times."""


def load(data: bytes, preprocessing: Preprocessing) -> "Tensor":
    """Decode and resize: an image file → a uint8 image (C, H, W).

    Bit-equal to torchvision's ``Resize`` of a Pillow image, antialiased; see ``open_image`` and
    ``target_size``.

    Raises:
        DataError: the bytes cannot be read as an image.
    """
    import torch

    return torch.from_numpy(load_pixels(data, preprocessing))


def load_pixels(data: bytes, preprocessing: Preprocessing) -> "NDArray[np.uint8]":
    """The same as ``load``, as a numpy array: torch is not imported.

    Raises:
        DataError: the bytes cannot be read as an image.
    """
    return _pixels(
        _resize(open_image(data, preprocessing.channels, preprocessing.white), preprocessing)
    )


def loaded_shape(data: bytes, preprocessing: Preprocessing) -> tuple[int, int, int]:
    """The shape (C, H, W) of the image that ``load`` gives, if it can read it. Decodes nothing.

    Raises:
        DataError: the header of an image cannot be read, or the image is too long and thin.
    """
    width, height = _fitted(*upright_size(data), preprocessing)
    return preprocessing.channels, height, width


def load_full(data: bytes, channels: int, white: int = WHITE) -> "Tensor":
    """Decode: an image file → a uint8 image (C, H, W) at full resolution.

    In memory the channels of a pixel are neighbours: crops are resized twice as fast from there.

    Raises:
        DataError: the bytes cannot be read as an image.
    """
    import torch

    return torch.from_numpy(full_pixels(data, channels, white)).permute(2, 0, 1)


def full_pixels(data: bytes, channels: int, white: int = WHITE) -> "NDArray[np.uint8]":
    """The same as ``load_full``, as a numpy array (H, W, C): torch is not imported.

    Raises:
        DataError: the bytes cannot be read as an image.
    """
    import numpy as np

    image = open_image(data, channels, white)
    width, height = image.size
    pixels = np.empty((height, width, channels), np.uint8)
    rows = max(1, _STRIP // (width * channels))
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        pixels[top : top + rows] = np.atleast_3d(np.asarray(strip))
    return pixels


def full_shape(data: bytes, channels: int) -> tuple[int, int, int]:
    """The shape (H, W, C) of what ``full_pixels`` gives, if it can read it. Decodes nothing.

    Raises:
        DataError: the header of an image cannot be read.
    """
    width, height = upright_size(data)
    return height, width, channels


def load_opened(image: "Image.Image", preprocessing: Preprocessing) -> "Tensor":
    """The same as ``load``, for an image that Pillow has opened or made.

    Raises:
        DataError: its pixels cannot be read or have no fixed white, or it is too long and thin.
    """
    import torch

    return torch.from_numpy(
        _pixels(
            _resize(standard(image, preprocessing.channels, preprocessing.white), preprocessing)
        )
    )


def center_crop(image: "Tensor", size: int) -> "Tensor":
    """The centre of an image (C, H, W) → (C, ``size``, ``size``).

    A side that is shorter is padded with black at both ends. Bit-equal to torchvision's
    ``CenterCrop``, also in the rounding of odd margins.
    """
    from torch.nn.functional import pad

    height, width = image.shape[-2:]
    across, down = max(size - width, 0), max(size - height, 0)
    if across or down:
        image = pad(image, (across // 2, (across + 1) // 2, down // 2, (down + 1) // 2))
    top, left = _margin(image.shape[-2], size), _margin(image.shape[-1], size)
    return image[..., top : top + size, left : left + size]


def normalize(images: "Tensor", preprocessing: Preprocessing) -> "Tensor":
    """Uint8 images (B, C, H, W) → float32 ``(images / 255 - mean) / std``, on the same device.

    Three float32 operations in this order, each rounded once: bit-equal to torchvision's
    ``ToTensor`` and ``Normalize``. The memory format (channels last or not) is kept.

    Raises:
        ValueError: the images are not uint8, or have another number of channels than ``mean``.
    """
    import torch

    if images.dtype != torch.uint8 or images.shape[1] != preprocessing.channels:
        raise ValueError(
            f"normalize: images must be uint8 of {preprocessing.channels} channels (B, C, H, W), "
            f"got {images.dtype} {tuple(images.shape)}"
        )
    white, mean, std = _constants(preprocessing.mean, preprocessing.std, images.device)
    return images.to(torch.float32).div_(white).sub_(mean).div_(std)


def target_size(width: int, height: int, preprocessing: Preprocessing) -> tuple[int, int]:
    """Width and height that an image is resized to.

    The shorter side becomes ``preprocessing.resize`` and the longer one keeps the aspect ratio,
    rounded down. With ``crop="squash"`` both become ``preprocessing.size``.

    >>> target_size(500, 333, Preprocessing(resize=256))
    (384, 256)
    >>> target_size(500, 333, Preprocessing(size=224, crop="squash"))
    (224, 224)
    """
    if preprocessing.crop == "squash":
        return preprocessing.size, preprocessing.size
    if width <= height:
        return preprocessing.resize, int(preprocessing.resize * height / width)
    return int(preprocessing.resize * width / height), preprocessing.resize


# Resizing and tensors


def _resize(image: "Image.Image", preprocessing: Preprocessing) -> "Image.Image":
    from PIL import Image

    size = _fitted(*image.size, preprocessing)
    return image.resize(size, Image.Resampling[preprocessing.interpolation.upper()])


def _fitted(width: int, height: int, preprocessing: Preprocessing) -> tuple[int, int]:
    from PIL import Image

    across, down = target_size(width, height, preprocessing)
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and across * down > 2 * limit:
        raise DataError(
            f"{width} × {height} pixels: too long and thin, resized it would be {across} × {down}"
        )
    return across, down


def _pixels(image: "Image.Image") -> "NDArray[np.uint8]":
    import numpy as np

    pixels = np.atleast_3d(np.array(image)).transpose(2, 0, 1)
    # numpy copies in this thread; torch would start all its threads for each image.
    return np.ascontiguousarray(pixels)


def _margin(side: int, size: int) -> int:
    return round((side - size) / 2)


@cache
def _constants(
    mean: tuple[float, ...], std: tuple[float, ...], device: "torch.device"
) -> "tuple[Tensor, Tensor, Tensor]":
    import torch

    def per_channel(values: tuple[float, ...]) -> "Tensor":
        return torch.tensor(values, dtype=torch.float32, device=device).view(-1, 1, 1)

    # 255 is a tensor on the device: CUDA multiplies by the rounded inverse of a plain number.
    return per_channel((255.0,)), per_channel(mean), per_channel(std)
