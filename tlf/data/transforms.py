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

from tlf.data.decoding.values import Decoded, decode, decoded_size, fitted
from tlf.errors import DataError
from tlf.preprocessing import Preprocessing

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from PIL import Image
    from torch import Tensor

    from tlf.data.decoding.arrays import Values

_STRIP = 2**18
"""Bytes of a large image that are copied at a time. Pillow would hold all of them three times."""


def load(data: bytes, preprocessing: Preprocessing) -> "Tensor":
    """Decode and resize: an image file → an image (C, H, W), uint8 or uint16.

    Bit-equal to torchvision's ``Resize`` of a Pillow image, antialiased; see ``decode`` and
    ``target_size``.

    Raises:
        DataError: the bytes cannot be read as an image.
    """
    import torch

    return torch.from_numpy(load_pixels(data, preprocessing))


def load_pixels(data: bytes, preprocessing: Preprocessing) -> "Values":
    """The same as ``load``, as a numpy array: torch is not imported.

    Raises:
        DataError: the bytes cannot be read as an image.
    """
    whole = decoded_size(data, reduced=True) if preprocessing.reduced else None
    return _resized(decode(data, preprocessing), preprocessing, whole)


def loaded_shape(data: bytes, preprocessing: Preprocessing) -> tuple[int, int, int]:
    """The shape (C, H, W) of the image that ``load`` gives, if it can read it. Decodes nothing.

    Raises:
        DataError: the header of an image cannot be read, or the image is too long and thin.
    """
    width, height = _fitted(*decoded_size(data, reduced=preprocessing.reduced), preprocessing)
    return preprocessing.channels, height, width


def load_full(data: bytes, preprocessing: Preprocessing) -> "Tensor":
    """Decode: an image file → an image (C, H, W) at full resolution.

    In memory the channels of a pixel are neighbours: crops are resized twice as fast from there.

    Raises:
        DataError: the bytes cannot be read as an image.
    """
    import torch

    return torch.from_numpy(full_pixels(data, preprocessing)).permute(2, 0, 1)


def full_pixels(data: bytes, preprocessing: Preprocessing) -> "Values":
    """The same as ``load_full``, as a numpy array (H, W, C): torch is not imported.

    Raises:
        DataError: the bytes cannot be read as an image.
    """
    import numpy as np

    image = decode(data, preprocessing)
    if isinstance(image, np.ndarray):
        return image
    (width, height), channels = image.size, preprocessing.channels
    pixels = np.empty((height, width, channels), np.uint8)
    rows = max(1, _STRIP // (width * channels))
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        pixels[top : top + rows] = np.atleast_3d(np.asarray(strip))
    return pixels


def full_shape(data: bytes, preprocessing: Preprocessing) -> tuple[int, int, int]:
    """The shape (H, W, C) of what ``full_pixels`` gives, if it can read it. Decodes nothing.

    Raises:
        DataError: the header of an image cannot be read.
    """
    width, height = decoded_size(data)
    return height, width, preprocessing.channels


def load_opened(
    image: "Image.Image | NDArray[np.generic]", preprocessing: Preprocessing
) -> "Tensor":
    """The same as ``load``, for what Pillow has opened or made, or for an array (H, W, C).

    Raises:
        DataError: its pixels cannot be read or have no fixed white, or it is too long and thin.
    """
    import torch

    return torch.from_numpy(_resized(fitted(image, preprocessing), preprocessing))


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


def mirrored(image: "Tensor") -> "Tensor":
    """An image (C, H, W), uint8 or uint16, with left and right exchanged."""
    import torch

    if image.dtype != torch.uint16:
        return image.flip(-1)
    return image.view(torch.int16).flip(-1).view(torch.uint16)  # torch 2.11 flips no uint16


def normalize(images: "Tensor", preprocessing: Preprocessing) -> "Tensor":
    """Images (B, C, H, W) → float32 ``(images / white - mean) / std``, on the same device. White is
    255 of uint8, and 65,535 of uint16.

    Three float32 operations in this order, each rounded once: bit-equal to torchvision's
    ``ToTensor`` and ``Normalize``. The memory format (channels last or not) is kept.

    Raises:
        ValueError: the images have another type, or another number of channels than ``mean``.
    """
    import torch

    if images.dtype != dtype_of(preprocessing) or images.shape[1] != preprocessing.channels:
        raise ValueError(
            f"normalize: images must be uint{preprocessing.depth} of {preprocessing.channels} "
            f"channels (B, C, H, W), got {images.dtype} {tuple(images.shape)}"
        )
    figures = (float(preprocessing.largest),), preprocessing.mean, preprocessing.std
    white, mean, std = (_per_channel(values, images.device) for values in figures)
    return images.to(torch.float32).div_(white).sub_(mean).div_(std)


def dtype_of(preprocessing: Preprocessing) -> "torch.dtype":
    """The type of an image's values before they are normalized."""
    import torch

    return torch.uint8 if preprocessing.depth == 8 else torch.uint16


def noise(preprocessing: Preprocessing, height: int, width: int) -> "Tensor":
    """An image (C, H, W) of random values, from torch's default generator."""
    import torch

    shape = preprocessing.channels, height, width
    return torch.randint(preprocessing.largest + 1, shape).to(dtype_of(preprocessing))


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


def _resized(
    image: "Decoded", preprocessing: Preprocessing, whole: tuple[int, int] | None = None
) -> "Values":
    """An image (C, H, W). Each channel of an array is resized by itself, as Pillow does it within
    its modes, too: of 16 bits as float32, and then rounded. ``whole``: width and height of the
    image, if it was decoded at a reduced scale.
    """
    import numpy as np
    from PIL import Image

    resampling = Image.Resampling[preprocessing.interpolation.upper()]
    if isinstance(image, Image.Image):
        return _pixels(image.resize(_fitted(*(whole or image.size), preprocessing), resampling))
    height, width, channels = image.shape
    across, down = whole or (width, height)
    size = _fitted(across, down, preprocessing)
    resized = np.empty((channels, *size[::-1]), image.dtype)
    for number in range(channels):
        plane = np.ascontiguousarray(image[..., number])
        if preprocessing.depth == 8:
            resized[number] = np.asarray(Image.fromarray(plane).resize(size, resampling))
        else:
            values = Image.fromarray(plane.astype(np.float32)).resize(size, resampling)
            resized[number] = np.asarray(values).round().clip(0, preprocessing.largest)
    return resized


def _fitted(width: int, height: int, preprocessing: Preprocessing) -> tuple[int, int]:
    from PIL import Image

    across, down = target_size(width, height, preprocessing)
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and across * down > 2 * limit:
        raise DataError(
            f"{width} × {height} pixels: too long and thin, resized it would be {across} × {down}"
        )
    return across, down


def _pixels(image: "Image.Image") -> "Values":
    import numpy as np

    pixels = np.atleast_3d(np.array(image)).transpose(2, 0, 1)
    # numpy copies in this thread; torch would start all its threads for each image.
    return np.ascontiguousarray(pixels)


def _margin(side: int, size: int) -> int:
    return round((side - size) / 2)


@cache
def _per_channel(values: tuple[float, ...], device: "torch.device") -> "Tensor":
    import torch

    # 255 is a tensor on the device: CUDA multiplies by the rounded inverse of a plain number.
    return torch.tensor(values, dtype=torch.float32, device=device).view(-1, 1, 1)
