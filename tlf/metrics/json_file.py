"""The content of evaluation.json."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from tlf.metrics.figures import Evaluation
from tlf.metrics.resampling import LEVEL

if TYPE_CHECKING:
    from tlf.metrics.multi_label.figures import AnyEvaluation

FORMAT = 1
"""It rises where a reader of the file has to change. Keys may be added without."""


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation as strict JSON has it; ``tlf/evaluation/README.md`` documents each key.

    What is not defined is None (``null``). The confusion matrix is a list of its entries that are
    not 0, which stays small with thousands of classes.
    """
    labels, predictions = np.nonzero(evaluation.confusion)
    images = evaluation.confusion[labels, predictions]
    curves = {"roc": evaluation.roc, "precision_recall": evaluation.precision_recall}
    return {
        "format": FORMAT,
        "images": evaluation.images,
        "classes": list(evaluation.classes),
        "intervals": intervals(evaluation),
        "headline": {name: asdict(figure) for name, figure in evaluation.headline.items()},
        "majority": {"class": evaluation.majority_class, "top1": evaluation.majority},
        "per_class": [
            {
                "class": one.name,
                "support": one.support,
                "predicted": one.predicted,
                "precision": asdict(one.precision),
                "recall": asdict(one.recall),
                "f1": asdict(one.f1),
            }
            for one in evaluation.per_class
        ],
        "confusion": np.column_stack([labels, predictions, images]).tolist(),
        "calibration": asdict(evaluation.calibration),
        **{name: asdict(curve) if curve else None for name, curve in curves.items()},
    }


def intervals(evaluation: "AnyEvaluation") -> dict[str, Any]:
    """How the intervals were found."""
    over = "images" if evaluation.groups is None else "groups of images"
    return {
        "level": LEVEL,
        "method": f"bootstrap over {over}, percentiles",
        "resamples": evaluation.resamples,
        "seed": evaluation.seed,
        "groups": evaluation.groups,
    }
