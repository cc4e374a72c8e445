"""Train images that are held out to calibrate the model: no step trains on them."""

from typing import Any

from tlf.components import Splits
from tlf.data.splits import hold_out
from tlf.errors import DataError
from tlf.recipe.schema import Recipe


def hold_out_of_training(splits: Splits, recipe: Recipe) -> tuple[frozenset[int], tuple[str, ...]]:
    """The indices of the train images that ``calibration`` holds out of each class, and a note
    about them. Which ones they are depends only on the seed and on each image's name.

    Raises:
        DataError: each class has a single image.
    """
    fraction = recipe.calibration
    if fraction == "eval":
        return frozenset(), ()
    groups: dict[Any, list[str]] = {}
    for name, label in zip(splits.train.names, splits.train.labels, strict=True):
        groups.setdefault(label, []).append(name)
    _, held_out = hold_out(groups, fraction, recipe.seed)
    chosen = {name for names in held_out.values() for name in names}
    # By name: an image that is listed twice is held out twice.
    indices = frozenset(i for i, name in enumerate(splits.train.names) if name in chosen)
    if not chosen:
        raise DataError(
            f"calibration must leave an image of each class to train on, got {fraction} of classes "
            'with a single image; write calibration = "eval", or add images'
        )
    note = (
        f"{len(indices):,} of {len(splits.train):,} train images are held out to calibrate the "
        f"model (calibration = {fraction})"
    )
    return indices, (note,)
