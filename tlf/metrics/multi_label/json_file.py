"""The content of evaluation.json of images with any number of labels."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from tlf.metrics.json_file import intervals
from tlf.metrics.multi_label.figures import MultiLabelEvaluation

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 2
"""A reader of format 1 finds one label for each image there. It rises as that does."""


def as_json(evaluation: MultiLabelEvaluation) -> dict[str, Any]:
    """An evaluation as strict JSON has it; ``tlf/metrics/README.md`` documents each key."""
    return {
        "format": FORMAT,
        "task": "multi-label",
        "images": evaluation.images,
        "classes": list(evaluation.classes),
        "intervals": intervals(evaluation),
        "headline": {name: asdict(figure) for name, figure in evaluation.headline.items()},
        "frequency": evaluation.frequency,
        "labels": evaluation.labels,
        "without": evaluation.without,
        "per_class": [
            {
                "class": one.name,
                "support": one.support,
                "predicted": one.predicted,
                "threshold": one.threshold,
                "ap": asdict(one.ap),
                "precision": asdict(one.precision),
                "recall": asdict(one.recall),
                "f1": asdict(one.f1),
                "precision_recall": asdict(one.curve) if one.curve else None,
            }
            for one in evaluation.per_class
        ],
        "co_occurrence": _pairs(evaluation.co_occurrence),
        "predicted_co_occurrence": _pairs(evaluation.predicted_co_occurrence),
        "calibration": asdict(evaluation.calibration),
    }


def _pairs(images: "NDArray[np.int64]") -> list[list[int]]:
    """The pairs of different classes that occur: the first, the second, how many images."""
    first, second = np.nonzero(np.triu(images, 1))
    pairs: list[list[int]] = np.column_stack([first, second, images[first, second]]).tolist()
    return pairs
