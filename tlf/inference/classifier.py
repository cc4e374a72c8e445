"""A trained classifier: images in any form in, labels and probabilities out."""

import reprlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, overload

import torch
from torch import Tensor

from tlf.data.transforms import normalize
from tlf.errors import DataError
from tlf.inference.prediction import Prediction
from tlf.inference.predictions import compared, predictions
from tlf.inference.read_ahead import ImageLike, read_ahead
from tlf.model import Classifier, pooled
from tlf.preprocessing import Preprocessing
from tlf.runtime.precision import autocast, usable
from tlf.tasks import DEFAULT, TASKS

if TYPE_CHECKING:
    from tlf.inference.calibrated import Calibrated
    from tlf.inference.train_images import TrainImages

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
    calibrated: "Calibrated | None" = None
    """How sure it is; None where its file does not say it."""
    train_images: "TrainImages | None" = field(default=None, repr=False)
    """What predictions call ``unlike`` is unlike these. None where they were not asked for."""
    nearest: int = 0
    """How many of the most similar train images a prediction names."""

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
        images: Iterable[ImageLike],
        unreadable: Callable[[DataError], object] | None = None,
    ) -> Iterator[Prediction]:
        """Classify images; yield each prediction as soon as it is known. Threads read the next
        images meanwhile.

        Parameters:
            images: any number of images; they are taken as they are needed.
            unreadable: called with the error of each unreadable image, which is left out.
                Without it, the first unreadable image raises.

        Raises:
            DataError: names the image that is missing or unreadable.
        """
        precision = usable(self.precision, self._device)
        readable = read_ahead(images, self.preprocessing, unreadable, by=AT_ONCE)
        # Batches of readable images in order, as the run's evaluation makes them: the last bits of
        # logits depend on the size of a batch.
        while read := [*islice(readable, AT_ONCE)]:
            paths, pixels = zip(*read, strict=True)
            yield from self.from_features(paths, self.features(pixels, precision), precision)

    def logits(self, pixels: Sequence[Tensor], precision: str) -> Tensor:
        """Uint8 images (C, S, S), as they are read → float32 logits (B, K)."""
        return self.compute(self._scaled(pixels), precision)

    def compute(self, images: Tensor, precision: str) -> Tensor:
        """Prepared images (B, C, S, S) → float32 logits (B, K), computed in a precision."""
        with torch.inference_mode(), autocast(precision, self._device):
            logits: Tensor = self.model(images)
        return logits.float()

    def features(self, pixels: Sequence[Tensor], precision: str) -> Tensor:
        """Uint8 images (C, S, S), as they are read → the input of the head: features (B, F), or
        maps or tokens if the head does the pooling.
        """
        images = self._scaled(pixels)
        with torch.inference_mode(), autocast(precision, self._device):
            return self.model.features(images)

    def from_features(
        self, paths: Sequence[str | None], features: Tensor, precision: str
    ) -> Iterator[Prediction]:
        """The predictions for images whose ``features`` are known. ``paths``: of the images that
        have one.

        Raises:
            WeightsError: the model gives a probability that is not finite.
        """
        task = TASKS[self.task]
        with torch.inference_mode(), autocast(precision, self._device):
            logits: Tensor = self.model.head(features).float()
        found = predictions(paths, task.probabilities(logits), self.labels, task, self.calibrated)
        if self.train_images is None:
            return found
        return compared(found, pooled(features), self.train_images, self.nearest)

    def prepare(self, images: Sequence[ImageLike]) -> Tensor:
        """Images → the input of the model (B, C, H, W), on its device.

        Raises:
            DataError: names the image that is missing or unreadable.
        """
        read = read_ahead(images, self.preprocessing, by=AT_ONCE)
        return self._scaled([pixels for _, pixels in read])

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def _dtype(self) -> torch.dtype:
        return next(p.dtype for p in self.model.parameters() if p.is_floating_point())

    def _scaled(self, pixels: Sequence[Tensor]) -> Tensor:
        scaled = normalize(torch.stack([*pixels]).to(self._device), self.preprocessing)
        return scaled.to(self._dtype).contiguous(memory_format=torch.channels_last)
