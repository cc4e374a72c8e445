"""Pictures of any kind in, labels and probabilities out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, overload

import torch
from torch import Tensor

from tlf.data.decode import from_array
from tlf.data.transforms import center_crop, load, load_opened, normalize
from tlf.errors import DataError
from tlf.inference.predictions import Prediction, predictions
from tlf.model import Classifier
from tlf.preprocessing import Preprocessing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

Picture: TypeAlias = "str | PathLike[str] | bytes | Image.Image | NDArray[np.uint8]"
"""A picture file's path, its bytes, a Pillow picture, or a NumPy array of uint8: RGB (H, W, 3),
RGBA (H, W, 4) or grey (H, W)."""

AT_ONCE = 32
"""Pictures that go through the model together."""


@dataclass(frozen=True)
class TrainedClassifier:
    """A backbone and a head, with how pictures are prepared and what the classes are called."""

    model: Classifier
    """The torch module: prepared pictures (B, C, H, W) → logits (B, K)."""
    labels: tuple[str, ...]
    """Class names in the order of the logits."""
    preprocessing: Preprocessing

    # A path and bytes are sequences, too, but not of pictures.
    @overload
    def predict(self, pictures: Picture) -> Prediction: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, pictures: Sequence[Picture]) -> list[Prediction]: ...
    def predict(self, pictures: "Picture | Sequence[Picture]") -> Prediction | list[Prediction]:
        """Classify a picture, or a list of them.

        Parameters:
            pictures: each a path, the bytes of a file, a Pillow picture, or a NumPy array of uint8
                values: RGB (H, W, 3), RGBA (H, W, 4) or grey (H, W). OpenCV reads BGR: give
                ``array[..., ::-1]``.

        Raises:
            DataError: a picture is missing, cannot be read, or is none; says which.
        """
        if isinstance(pictures, Sequence) and not isinstance(pictures, str | bytes):
            return list(self.each(pictures))
        return next(self.each([pictures]))

    def each(
        self,
        pictures: Sequence[Picture],
        unreadable: Callable[[DataError], object] | None = None,
    ) -> Iterator[Prediction]:
        """Classify pictures, and yield what each is as soon as it is known.

        Parameters:
            pictures: any number of them.
            unreadable: called with the error of each picture that cannot be read, which is left
                out. Without it, the first such picture ends all.

        Raises:
            DataError: a picture is missing or cannot be read; says which.
        """
        for start in range(0, len(pictures), AT_ONCE):
            batch = pictures[start : start + AT_ONCE]
            read = [*_read(batch, self.preprocessing, start, unreadable)]
            if read:
                with torch.inference_mode():
                    probabilities = self.model(self._scaled([p for _, p in read])).softmax(1)
                yield from predictions([path for path, _ in read], probabilities, self.labels)

    def prepare(self, pictures: Sequence[Picture]) -> Tensor:
        """Pictures → what the model takes (B, C, H, W), on its device.

        Raises:
            DataError: a picture is missing or cannot be read; says which.
        """
        return self._scaled([pixels for _, pixels in _read(pictures, self.preprocessing)])

    def _scaled(self, pixels: list[Tensor]) -> Tensor:
        device = next(self.model.parameters()).device
        scaled = normalize(torch.stack(pixels).to(device), self.preprocessing)
        return scaled.contiguous(memory_format=torch.channels_last)


def _read(
    pictures: Sequence[Picture],
    how: Preprocessing,
    first: int = 0,
    unreadable: Callable[[DataError], object] | None = None,
) -> Iterator[tuple[str | None, Tensor]]:
    """The path, where there is one, and the uint8 pixels (C, S, S) of each picture.

    Parameters:
        pictures: any number of them.
        how: the preprocessing.
        first: the place of the first of them in a longer list, which errors name it by.
        unreadable: called instead of raising.

    Raises:
        DataError: a picture is missing or cannot be read; says which.
    """
    for number, picture in enumerate(pictures, start=first):
        try:
            yield _path(picture), _pixels(picture, how, number)
        except DataError as error:
            if unreadable is None:
                raise
            unreadable(error)


def _pixels(picture: Picture, how: Preprocessing, number: int) -> Tensor:
    """A picture → uint8 pixels (C, S, S)."""
    name = _path(picture) or f"picture {number}"
    try:
        pixels = _loaded(picture, how)
    except OSError as error:
        raise DataError(f"{name}: {error.strerror or error}; name a picture file") from error
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    return center_crop(pixels, how.size)


def _loaded(picture: Picture, how: Preprocessing) -> Tensor:
    """A picture in any of its forms → uint8 pixels (C, H, W), resized."""
    import numpy as np
    from PIL import Image

    if isinstance(picture, str | PathLike):
        picture = Path(picture).read_bytes()
    if isinstance(picture, bytes):
        return load(picture, how)
    if isinstance(picture, np.ndarray):
        picture = from_array(picture)
    if not isinstance(picture, Image.Image):
        raise DataError(
            f"{type(picture).__name__} is no picture; "
            "give a path, the bytes of a file, a Pillow picture, a NumPy array, or a list of these"
        )
    return load_opened(picture, how)


def _path(picture: Picture) -> str | None:
    return fspath(picture) if isinstance(picture, str | PathLike) else None
