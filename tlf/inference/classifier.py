"""A trained classifier: images in any form in, labels and probabilities out."""

import reprlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from os import PathLike, fspath
from typing import TYPE_CHECKING, TypeAlias, overload

import torch
from torch import Tensor

from tlf.data.decode import from_array
from tlf.data.image_files import read_image
from tlf.data.transforms import center_crop, load, load_opened, normalize
from tlf.errors import DataError
from tlf.inference.predictions import Prediction, predictions
from tlf.model import Classifier
from tlf.preprocessing import Preprocessing
from tlf.runtime.precision import autocast, usable
from tlf.runtime.text import printable
from tlf.tasks import DEFAULT, TASKS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

ImageLike: TypeAlias = "str | PathLike[str] | bytes | Image.Image | NDArray[np.uint8]"
"""An image file's path, its bytes, a Pillow image, or a NumPy array of uint8: RGB (H, W, 3),
RGBA (H, W, 4) or grey (H, W)."""

AT_ONCE = 32
"""The number of images in a batch."""


@dataclass(frozen=True)
class TrainedClassifier:
    """A backbone and a head, with the preprocessing and the class names."""

    model: Classifier
    """The torch module: prepared images (B, C, H, W) → logits (B, K)."""
    labels: tuple[str, ...]
    """Class names in the order of the logits."""
    preprocessing: Preprocessing
    task: str = DEFAULT
    """The task that it was trained for: a name in ``tlf.tasks.TASKS``."""
    precision: str = "no"
    """What it computes in: ``no`` (float32), ``bf16`` or ``fp16``. A device without a fast form of
    it computes in float32, with a ``PrecisionWarning``. ``model`` itself computes in the type of
    its weights."""

    def __repr__(self) -> str:
        """What it is, in a line: a backbone's own text has a line for each layer."""
        size = self.preprocessing.size
        return f"TrainedClassifier({size} × {size} images → {reprlib.repr(self.labels)})"

    # A path and bytes are sequences too, but not of images.
    @overload
    def predict(self, images: ImageLike) -> Prediction: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, images: Sequence[ImageLike]) -> list[Prediction]: ...
    def predict(self, images: "ImageLike | Sequence[ImageLike]") -> Prediction | list[Prediction]:
        """Classify an image, or a list of them.

        Parameters:
            images: each a path, the bytes of a file, a Pillow image, or a NumPy array of uint8
                values: RGB (H, W, 3), RGBA (H, W, 4) or grey (H, W). OpenCV reads BGR: give
                ``array[..., ::-1]``.

        Raises:
            DataError: names the image that is missing, unreadable, or no image.
        """
        if isinstance(images, Sequence) and not isinstance(images, str | bytes):
            return list(self.each(images))
        return next(self.each([images]))

    def each(
        self,
        images: Sequence[ImageLike],
        unreadable: Callable[[DataError], object] | None = None,
    ) -> Iterator[Prediction]:
        """Classify images; yield each prediction as soon as it is known.

        Parameters:
            images: any number of images.
            unreadable: called with the error of each unreadable image, which is left out.
                Without it, the first unreadable image raises.

        Raises:
            DataError: names the image that is missing or unreadable.
        """
        task, precision = TASKS[self.task], usable(self.precision, self._device)
        readable = _read(images, self.preprocessing, unreadable)
        # Batches of readable images in order, as the run's evaluation makes them: the last bits of
        # logits depend on the size of a batch.
        while read := [*islice(readable, AT_ONCE)]:
            paths, pixels = zip(*read, strict=True)
            logits = self.compute(self._scaled(pixels), precision)
            yield from predictions(paths, task.probabilities(logits), self.labels, task)

    def compute(self, images: Tensor, precision: str) -> Tensor:
        """Prepared images (B, C, S, S) → float32 logits (B, K), computed in a precision."""
        with torch.inference_mode(), autocast(precision, self._device):
            logits: Tensor = self.model(images)
        return logits.float()

    def prepare(self, images: Sequence[ImageLike]) -> Tensor:
        """Images → the input of the model (B, C, H, W), on its device.

        Raises:
            DataError: names the image that is missing or unreadable.
        """
        return self._scaled([pixels for _, pixels in _read(images, self.preprocessing)])

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def _dtype(self) -> torch.dtype:
        return next(p.dtype for p in self.model.parameters() if p.is_floating_point())

    def _scaled(self, pixels: Sequence[Tensor]) -> Tensor:
        scaled = normalize(torch.stack([*pixels]).to(self._device), self.preprocessing)
        return scaled.to(self._dtype, memory_format=torch.channels_last)


def _read(
    images: Sequence[ImageLike],
    preprocessing: Preprocessing,
    unreadable: Callable[[DataError], object] | None = None,
) -> Iterator[tuple[str | None, Tensor]]:
    """The path of each image, if it has one, and its uint8 pixels (C, S, S).

    Parameters:
        images: any number of images.
        preprocessing: how they are prepared.
        unreadable: called with each error, instead of raising it.

    Raises:
        DataError: names the image that is missing or unreadable.
    """
    for number, image in enumerate(images):
        try:
            yield _path(image), _pixels(image, preprocessing, number)
        except DataError as error:
            if unreadable is None:
                raise
            unreadable(error)


def _pixels(image: ImageLike, preprocessing: Preprocessing, number: int) -> Tensor:
    """An image → uint8 pixels (C, S, S)."""
    name = printable(_path(image) or f"image {number}")
    try:
        pixels = _load(image, preprocessing)
    except OSError as error:
        raise DataError(f"{name}: {error.strerror or error}; name an image file") from error
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    return center_crop(_prepared(pixels, preprocessing), preprocessing.size)


def _prepared(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """The same after what plugins do to every image."""
    if not preprocessing.prepare:
        return pixels
    from tlf.recipe.prepare import prepared

    return prepared(pixels, preprocessing)


def _load(image: ImageLike, preprocessing: Preprocessing) -> Tensor:
    """An image in any form → uint8 pixels (C, H, W), resized."""
    import numpy as np
    from PIL import Image

    if isinstance(image, str | PathLike):
        image = read_image(image)
    if isinstance(image, bytes):
        return load(image, preprocessing)
    if isinstance(image, np.ndarray):
        image = from_array(image)
    if not isinstance(image, Image.Image):
        raise DataError(
            f"{type(image).__name__} is no image; "
            "give a path, the bytes of a file, a Pillow image, a NumPy array, or a list of these"
        )
    return load_opened(image, preprocessing)


def _path(image: ImageLike) -> str | None:
    return fspath(image) if isinstance(image, str | PathLike) else None
