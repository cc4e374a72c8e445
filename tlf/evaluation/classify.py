"""Classify labelled images in batches: as the evaluation of a run does, so that bits are equal."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tlf.errors import DataError, RunError, WeightsError, itemized
from tlf.evaluation.groups import numbers
from tlf.evaluation.images import Aligned
from tlf.evaluation.models import Model
from tlf.evaluation.views import ONE, Views
from tlf.inference.classifier import AT_ONCE
from tlf.inference.read_ahead import StoredImage, read_ahead
from tlf.metrics.predicted import AnyPredicted, predicted_of
from tlf.tasks import TASKS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


Watch = Callable[[Iterable[int], int, Callable[[], int]], Iterator[int]]
"""Given one number for each image as soon as it is classified, the number of all images, and what
counts those that cannot be read: yields the same, and may show how far it is."""


@dataclass(frozen=True)
class Classified:
    """What a model made of images."""

    predicted: AnyPredicted
    positions: tuple[int, ...]
    """The position of each image in the split."""
    unreadable: tuple[tuple[str, str], ...]
    """Name of an image that cannot be read, and why."""
    averaged: AnyPredicted | None
    """The same with the probabilities averaged over views; None where there is one view."""


def unwatched(items: Iterable[int], _total: int, _failed: Callable[[], int]) -> Iterator[int]:
    """Show nothing."""
    yield from items


def classify(
    model: Model, images: Aligned, views: Views = ONE, watch: Watch = unwatched
) -> Classified:
    """Classify images. Those that cannot be read are left out, and listed.

    Raises:
        DataError: none can be read.
        WeightsError: the model gives something else than finite logits.
        RunError: the views need a margin, and the model takes whole images.
    """
    import numpy as np

    if views.count > 2 and model.preprocessing.crop == "squash":
        raise RunError(
            f"tta must be flip for this model, which takes whole images without a margin to crop "
            f"in, got {views.title}; write flip"
        )
    count = len(images.positions)
    plain = np.empty((count, len(model.labels)))
    averaged = plain if views.count == 1 else np.empty_like(plain)
    reading = _Reading(images)
    batches = _batches(model, reading, views, plain, averaged)
    for _ in watch(batches, count, lambda: len(reading.unreadable)):
        pass
    if not reading.read:
        problems = [f"{name}: {why}" for name, why in reading.unreadable]
        raise DataError(itemized("no image can be read", problems))
    kept = reading.read
    return Classified(
        _predicted(model, images, kept, plain),
        tuple(images.positions[i] for i in kept),
        tuple(reading.unreadable),
        None if averaged is plain else _predicted(model, images, kept, averaged),
    )


def _predicted(
    model: Model, images: Aligned, kept: Sequence[int], probabilities: "NDArray[np.float64]"
) -> AnyPredicted:
    """The images that can be read with their labels, and what the model predicts."""
    task, rows = TASKS[model.task], probabilities[: len(kept)]
    figures = torch.from_numpy(rows).float()  # as an app gets them
    limits = None if model.thresholds is None else torch.tensor(model.thresholds)
    names, groups = images.names, images.images.groups
    own = None if groups is None else [groups[images.positions[i]] for i in kept]
    return predicted_of(
        tuple(names[i] for i in kept),
        task.labels([images.labels[i] for i in kept], len(model.labels)).numpy(),
        rows,
        model.labels,
        task.predicted(figures, limits).numpy(),
        model.thresholds,
        numbers(own),
    )


class _Reading:
    """Reads images ahead, and keeps count of those that can be read and those that cannot."""

    def __init__(self, images: Aligned) -> None:
        self.images = images
        self.read: list[int] = []
        self.unreadable: list[tuple[str, str]] = []

    def pixels(self, model: Model, views: Views) -> Iterator[Tensor]:
        """The views (V, C, S, S) of each readable image, in order."""
        split, positions = self.images.images, self.images.positions
        stored = (StoredImage(split.names[i], partial(split.read, i)) for i in positions)
        ahead = read_ahead(stored, model.preprocessing, self._leave_out, by=AT_ONCE, crop=views.cut)
        for _, cut in ahead:
            self.read.append(self._next())
            yield cut

    def _leave_out(self, error: DataError) -> None:
        name = self.images.images.names[self.images.positions[self._next()]]
        self.unreadable.append((name, str(error).removeprefix(f"{name}: ")))

    def _next(self) -> int:
        """The number of the image that comes next: each is read or left out, in order."""
        return len(self.read) + len(self.unreadable)


def _batches(
    model: Model,
    reading: _Reading,
    views: Views,
    plain: "NDArray[np.float64]",
    averaged: "NDArray[np.float64]",
) -> Iterator[int]:
    """Fill in the probabilities of the readable images, and yield the row of each."""
    readable, done = reading.pixels(model, views), 0
    while batch := [*islice(readable, AT_ONCE)]:
        rows = slice(done, done + len(batch))
        # The batch of the first view is the one that the model's own evaluation makes.
        each = [_probabilities(model, [cut[v] for cut in batch]) for v in range(views.count)]
        plain[rows] = each[0].numpy()
        if averaged is not plain:
            averaged[rows] = torch.stack(each).double().mean(0).numpy()
        yield from range(done, done + len(batch))
        done += len(batch)


def _probabilities(model: Model, pixels: list[Tensor]) -> Tensor:
    task = TASKS[model.task]
    with torch.inference_mode():
        logits = model.logits(pixels)
        try:
            task.check_logits(logits, len(pixels), len(model.labels))
        except ValueError as error:
            raise WeightsError(
                f"{error}: the model's weights are damaged or too large; name another model"
            ) from error
        return task.probabilities(logits)
