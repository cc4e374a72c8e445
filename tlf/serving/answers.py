"""What a client gets for its images."""

from collections.abc import Mapping, Sequence
from typing import Any

import tlf
from tlf.inference.prediction import Prediction
from tlf.serving.models import Model


def identity(model: Model) -> dict[str, str | None]:
    """What identifies a model: the name of its run, and the SHA-256 of its file."""
    return {"run": model.run, "sha256": model.sha256}


def answer(
    models: Sequence[Model], found: Sequence[Sequence[Prediction]], top: int | None
) -> Mapping[str, Any]:
    """The answer to a request: an entry for each model, which has a prediction for each image.

    Parameters:
        models: in the order of the command.
        found: the predictions for each image, one of each model.
        top: how many of the most probable classes are given; None: all.
    """
    return {
        "models": [
            {
                **identity(model),
                "tlf": tlf.__version__,
                "predictions": [of_image[place].as_json(top) for of_image in found],
            }
            for place, model in enumerate(models)
        ]
    }
