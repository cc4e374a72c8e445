"""Reports of predictions that are made up."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from tlf.metrics.evaluation import evaluation
from tlf.metrics.predicted import Predicted
from tlf.reports.report import Report

EVIL_CLASSES = (
    "<script>alert(1)</script>",
    'a "quoted" & <b>bold</b> class',
    "🐜 نملة " + "x" * 90,
)
EVIL_NAME = '"><img src=x onerror=alert(1)>.jpg'


def predicted_of(
    labels: Sequence[int], guesses: Sequence[int], classes: Sequence[str], **changes: Any
) -> Predicted:
    """Predictions of some classes for images with some labels; the first are the least sure."""
    count, kinds = len(labels), len(classes)
    sure = np.linspace(0.6, 0.95, count)
    probabilities = np.repeat(((1 - sure) / max(1, kinds - 1))[:, None], kinds, 1)
    probabilities[np.arange(count), [*guesses]] = sure
    names = tuple(f"val/{i:03}.jpg" for i in range(count))
    fields = {"names": names, "labels": np.array(labels, np.int64), "probabilities": probabilities}
    return Predicted(**{**fields, "classes": tuple(classes), **changes})


def report_of(predicted: Predicted, **fields: Any) -> Report:
    """A report of predictions of an eval split, with intervals of a few resamples."""
    figures = evaluation(predicted, resamples=20)
    return Report("mine", predicted, figures, **{"split": "eval", **fields})


def jpeg(seed: int = 0, side: int = 40) -> bytes:
    """A file of an image, another for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()
