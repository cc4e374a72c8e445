"""What an exported file changes by preparing images itself, measured on images of the run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from tlf.data.transforms import full_pixels
from tlf.errors import DataError, WeightsError
from tlf.exports.formats import Source
from tlf.exports.parity import Sample
from tlf.exports.preprocessing.whole_images import WholeImages


@dataclass(frozen=True)
class Bound:
    """By how much probabilities may differ from those with Pillow's pixels."""

    largest: float
    """Of an image and a class."""
    mean: float
    """On average over all images and classes."""


FLOAT32 = Bound(largest=0.02, mean=0.002)
"""Of a model in float32: ten times what was measured, or more; a wrong resize changes more."""

EIGHT_BITS = Bound(largest=0.1, mean=0.01)
"""Of a model in 8 bits, whose activations turn a small difference into a step."""


@dataclass(frozen=True)
class Difference:
    """Between a file that prepares images itself, and the same model with Pillow's pixels."""

    levels: int
    """The largest difference of a value of a prepared image, in grey levels."""
    white: int
    """The number of grey levels from black to white: 255, or 65,535 of 16 bits."""
    values: float
    """The fraction of values that differ, rounded to whole grey levels."""
    largest: float
    """The largest difference of a probability."""
    mean: float
    """The mean difference, over all images and classes."""
    predictions: int
    """The number of images for which something else is predicted."""

    def check(self, bound: Bound) -> None:
        """Check the probabilities.

        Raises:
            WeightsError: they differ by more than the bound.
        """
        # NaN is no number that is small enough.
        if self.largest <= bound.largest and self.mean <= bound.mean:
            return
        raise WeightsError(
            f"--with-preprocessing changes probabilities by up to {self.largest:.2g} and by "
            f"{self.mean:.2g} on average, more than {bound.largest} and {bound.mean}; nothing was "
            "written. Leave --with-preprocessing out"
        )


def measure(
    whole: WholeImages, source: Source, sample: Sample, file: Path, expected: Tensor
) -> tuple[Tensor, Difference]:
    """Classify the images of a sample with a file that prepares them; return its probabilities
    (N, K) and what they differ by.

    Parameters:
        whole: how to compute with the file.
        source: the run.
        sample: its images.
        file: what was written.
        expected: the probabilities with Pillow's pixels (N, K).

    Raises:
        DataError: an image cannot be decoded whole; names it.
    """
    how, compute = source.metadata.preprocessing, whole.compute(file)
    prepare, step = whole.prepare(source), torch.tensor(how.std).view(-1, 1, 1) * how.largest
    found, levels = [], []
    with torch.inference_mode():
        for image, prepared in zip(_whole_images(source, sample), sample.images, strict=True):
            found.append(compute(image))
            apart = ((prepare(image)[0] - prepared) * step).abs().round()
            levels.append((int(apart.max()), float((apart > 0).float().mean())))
    probabilities = torch.stack(found)
    return probabilities, _difference(source, sample, probabilities, expected, levels)


def _difference(
    source: Source,
    sample: Sample,
    probabilities: Tensor,
    expected: Tensor,
    levels: Sequence[tuple[int, float]],
) -> Difference:
    limits = source.metadata.thresholds
    thresholds = None if limits is None else torch.tensor(limits)
    one, other = (sample.task.predicted(p, thresholds) for p in (probabilities, expected))
    apart = (probabilities - expected).abs()
    return Difference(
        levels=max(largest for largest, _ in levels),
        white=source.metadata.preprocessing.largest,
        values=sum(values for _, values in levels) / len(levels),
        largest=float(apart.max()),
        mean=float(apart.mean()),
        predictions=int((one != other).view(len(one), -1).any(1).sum()),
    )


def _whole_images(source: Source, sample: Sample) -> Iterator[Tensor]:
    """The images of a sample as their files hold them: upright, (H, W, C), uint8 or uint16."""
    how = replace(source.metadata.preprocessing, reduced=False)
    for position in sample.positions:
        try:
            yield torch.tensor(full_pixels(sample.split.read(position), how))
        except DataError as error:
            raise DataError(f"{sample.split.names[position]}: {error}") from error
