"""What the runs of a candidate are worth, image by image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tlf.errors import DataError
from tlf.evaluation.groups import groups_in, numbers
from tlf.inference.predictions import read_predictions
from tlf.metrics.paired import Difference, over_seeds, over_splits
from tlf.metrics.resampling import LEVEL

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Results:
    """What each image counts for the main metric: whether it was classified correctly, for example.
    Images are sorted by name.
    """

    run: Path
    """The first of the runs."""
    labels: Mapping[str, str]
    """Name of an image → its class, or its classes."""
    per_image: "NDArray[np.float64]"
    """(seeds, N)."""
    folds: "NDArray[np.int64] | None" = None
    """(N,), the fold that held each image out, from 0; None: there are no folds."""
    groups: "NDArray[np.integer] | None" = None
    """(N,): the same number for images that belong together; None: that is not known."""

    def better_than(self, first: "Results", *, level: float = LEVEL) -> Difference:
        """The difference from other results on the same images.

        The seeds of a fold have the same train images: they are one result, which is their mean.
        """
        if self.folds is None:
            return over_seeds(first.per_image, self.per_image, self.groups, level=level)
        one, other = (each.per_image.mean(0, keepdims=True) for each in (first, self))
        return over_splits(one, other, self.folds[None], self.groups, level=level)

    @property
    def of_folds(self) -> tuple[float, ...]:
        """The accuracy of each fold, over all seeds; empty without folds."""
        if self.folds is None:
            return ()
        means, parts = self.per_image.mean(0), range(self.folds.max() + 1)
        return tuple(float(means[self.folds == part].mean()) for part in parts)


def read_results(runs: Mapping[int | None, Sequence[Path]]) -> Results:
    """The results of a candidate.

    Parameters:
        runs: fold, or None → its runs, one for each seed.

    Raises:
        DataError: runs with different seeds were evaluated on other images.
    """
    seeds = [_read(some) for some in zip(*runs.values(), strict=True)]
    for one in seeds[1:]:
        _check_same(seeds[0], one)
    per_image = np.concatenate([one.per_image for one in seeds])
    return replace(
        seeds[0],
        per_image=per_image,
        folds=None if None in runs else seeds[0].folds,
        groups=_known(seeds),
    )


def _read(runs: Sequence[Path]) -> Results:
    """The results of one seed, of its run of each fold."""
    every = [read_predictions(run / "predictions.csv") for run in runs]
    names = [name for one in every for name in one.names]
    labels = [label for one in every for label in one.label_names]
    per_image = np.concatenate([one.per_image for one in every])
    folds = np.repeat(np.arange(len(every)), [len(one.names) for one in every])
    order = np.argsort(names)
    groups = [
        group
        for run, one in zip(runs, every, strict=True)
        for group in groups_in(run, one.names) or ()
    ]
    return Results(
        runs[0],
        dict(sorted(zip(names, labels, strict=True))),
        per_image[order][None],
        folds[order],
        numbers([groups[n] for n in order]) if len(groups) == len(names) else None,
    )


def on_same_images(results: Mapping[str, Results]) -> dict[str, Results]:
    """The results of all candidates, with the groups of the images, where one of them knows them.

    Raises:
        DataError: candidates were judged on different images.
    """
    first, *others = results.values()
    for one in others:
        _check_same(first, one)
    groups = _known([*results.values()])
    return {name: replace(one, groups=groups) for name, one in results.items()}


def _known(results: Sequence[Results]) -> "NDArray[np.integer] | None":
    """The groups of the same images: what the first knows that knows them."""
    return next((one.groups for one in results if one.groups is not None), None)


def _check_same(first: Results, other: Results) -> None:
    same = first.labels == other.labels
    if first.folds is not None and other.folds is not None:
        same = same and np.array_equal(first.folds, other.folds)
    if not same:
        raise DataError(
            f"runs must be evaluated on the same images, and {other.run} has others; remove that "
            "folder, and write the same command again"
        )
