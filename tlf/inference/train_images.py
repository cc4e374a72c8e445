"""The train images of a run as embeddings: which of them an image resembles, and whether any.

They lie in ``unlike.safetensors``, which is read on request. The head says its SHA-256.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

import torch
from safetensors.torch import load
from torch import Tensor

from tlf.errors import RunError, WeightsError
from tlf.inference.sealed_file import read_sealed, write_sealed
from tlf.results import Neighbour
from tlf.runtime.seal import digest

FILE = "unlike.safetensors"

FALSE_ALARMS = 0.05
"""The rate of images of the same kind that are called unlike the train images."""

STORED, MEASURED = 10_000, 2_000
"""At most so many train images are stored, and so many eval images measure the threshold: both are
drawn by the run's seed."""


@dataclass(frozen=True)
class TrainImages:
    """Embeddings of train images."""

    names: tuple[str, ...] = field(repr=False)
    labels: tuple[str, ...] = field(repr=False)
    embeddings: Tensor = field(repr=False)
    """(N, F) float16; each has the length 1."""
    threshold: float | None
    """An image is unlike all of them if the most similar one is less similar than this. None: there
    were too few eval images to know."""
    measured: int
    """How many eval images the threshold comes from."""

    def similarities(self, embeddings: Tensor) -> Tensor:
        """The cosine of each embedding (B, F) and every train image: (B, N) float32."""
        return unit(embeddings.float()).cpu() @ self.embeddings.float().T

    def unlike(self, similarities: Tensor) -> list[bool | None]:
        """Whether each image is unlike all train images; None where that is not known."""
        if self.threshold is None:
            return [None] * len(similarities)
        alike = similarities.amax(1) >= self.threshold
        return [not one for one in alike.tolist()]

    def nearest(self, similarities: Tensor, count: int) -> list[tuple[Neighbour, ...]]:
        """The most similar train images of each image, the most similar first."""
        values, places = similarities.topk(min(count, len(self.names)), dim=1)
        values = values.clamp(max=1.0)  # stored embeddings are rounded: a cosine may exceed 1
        return [
            tuple(
                Neighbour(self.names[place], self.labels[place], value)
                for place, value in zip(own_places, own_values, strict=True)
            )
            for own_places, own_values in zip(places.tolist(), values.tolist(), strict=True)
        ]


def unit(embeddings: Tensor) -> Tensor:
    """Embeddings of the length 1."""
    return torch.nn.functional.normalize(embeddings, dim=1)


def train_images(
    names: Sequence[str], labels: Sequence[str], train: Tensor, held_out: Tensor
) -> TrainImages:
    """Train images, and the threshold that calls ``FALSE_ALARMS`` of other images unlike them.

    Parameters:
        names: the names of the train images.
        labels: the names of their classes.
        train: their embeddings (N, F).
        held_out: embeddings of other images of the same kind (M, F).
    """
    stored = TrainImages((*names,), (*labels,), unit(train.float()).half(), None, len(held_out))
    best = torch.cat([stored.similarities(part).amax(1) for part in torch.split(held_out, 256)])
    # The finite-sample quantile: an image of the same kind is below it at this rate, or less often.
    below = len(best) + 1 - ceil(round((len(best) + 1) * (1 - FALSE_ALARMS), 9))
    if below < 1:
        return stored
    least = best.sort().values[below - 1].item()
    return TrainImages(stored.names, stored.labels, stored.embeddings, least, len(best))


def save_train_images(path: Path, images: TrainImages, tlf: str) -> str:
    """Write them, and return the SHA-256 by which a head names the file.

    Raises:
        UnwritableError: the file cannot be written.
    """
    about = {
        "names": images.names, "labels": images.labels, "threshold": images.threshold,
        "false_alarms": FALSE_ALARMS, "measured": images.measured, "tlf": tlf,
    }  # fmt: skip
    write_sealed(path, {"embeddings": images.embeddings}, about)
    return digest(path.read_bytes())


def load_train_images(path: Path, sha256: str) -> TrainImages:
    """Read a file of ``save_train_images``.

    Raises:
        RunError: there is no such file, or a newer tlf wrote it.
        WeightsError: it is damaged, or of another run than the head that names it by ``sha256``.
    """
    if not path.is_file():
        raise RunError(f"there is no {path}, which holds the train images; copy it from the run")
    about, data = read_sealed(path)
    if digest(data) != sha256:
        raise WeightsError(
            f"{path} must be the file that was written with the model beside it, got another one; "
            "copy both from the run"
        )
    try:
        images = TrainImages(
            tuple(about["names"]), tuple(about["labels"]), load(data)["embeddings"],
            about["threshold"], about["measured"],
        )  # fmt: skip
        if not len(images.names) == len(images.labels) == len(images.embeddings.flatten(1)):
            raise ValueError("it must have a name and a label for each embedding")
        if images.threshold is not None and not -1 <= images.threshold <= 1:
            raise ValueError(f"its threshold must be a cosine, got {images.threshold}")
    except Exception as error:  # whole, and yet forged: it may hold values of any type
        raise WeightsError(f"{path} is not a whole file of train images: {error}") from error
    return images
