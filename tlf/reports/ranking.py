"""Which images a page lists, and in which order somebody wants to see them."""

from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from tlf.metrics.image_scores import highest_probability, own_probability
from tlf.metrics.multi_label.predicted import MultiLabelPredicted
from tlf.metrics.predicted import AnyPredicted, Predicted

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISTAKES = 60
"""Images with missed labels that a page lists, and as many with wrong ones, at most."""

RIGHT_A_CLASS = 200
"""Images with a right prediction that a page lists for each class, at most."""


def worst(predicted: Predicted) -> "NDArray[np.int64]":
    """(N,): all images, the one with the highest loss first."""
    order: NDArray[np.int64] = np.argsort(own_probability(predicted), kind="stable")
    return order


def listed(predicted: Predicted, right_a_class: int = RIGHT_A_CLASS) -> "NDArray[np.int64]":
    """The images that a page lists, the one with the highest loss first: all that are wrong, and
    some that are right of each class: half those with the highest loss, half with the lowest.
    """
    order = worst(predicted)
    right = predicted.predicted[order] == predicted.labels[order]
    kept = ~right
    labels = predicted.labels[order]
    places = np.flatnonzero(right)
    # Grouped by class, each group still in the order of its losses.
    places = places[np.argsort(labels[places], kind="stable")]
    starts = np.flatnonzero(np.diff(labels[places], prepend=-1))
    for group in np.split(places, starts[1:]):
        if len(group) > right_a_class:
            half = right_a_class // 2
            group = np.concatenate([group[: right_a_class - half], group[len(group) - half :]])
        kept[group] = True
    images: NDArray[np.int64] = order[kept]
    return images


def featured(predicted: Predicted, images: "NDArray[np.int64]") -> list[int]:
    """The listed images in the order in which they earn a thumbnail: what each of the page's three
    orders shows first. Of four images two are the worst, one is the least sure, one the surest.
    """
    right = images[predicted.predicted[images] == predicted.labels[images]]
    sure = highest_probability(predicted)
    least_sure = images[np.argsort(sure[images], kind="stable")]
    surest = right[np.argsort(-sure[right], kind="stable")]
    chosen: dict[int, None] = {}
    for place in range(len(images)):
        chosen.update(dict.fromkeys(images[2 * place : 2 * place + 2].tolist()))
        chosen.update(dict.fromkeys(least_sure[place : place + 1].tolist()))
        chosen.update(dict.fromkeys(surest[place : place + 1].tolist()))
    return [*chosen]


def shown_first(predicted: AnyPredicted) -> list[int]:
    """The images that a page lists, in the order in which they earn a thumbnail."""
    if isinstance(predicted, MultiLabelPredicted):
        return listed_errors(predicted)
    return featured(predicted, listed(predicted))


def mistakes(predicted: MultiLabelPredicted, of: "NDArray[np.bool_]") -> "NDArray[np.int64]":
    """The images of which some decision is one of these mistakes, the most confident mistake first.

    ``of``: (N, K), ``missed`` or ``wrong`` decisions of the predictions.
    """
    sure = np.where(of, np.abs(predicted.labels - predicted.probabilities), 0).max(1)
    order: NDArray[np.int64] = np.argsort(-sure, kind="stable")
    some = np.asarray(of.any(1))
    return order[some[order]]


def listed_errors(predicted: MultiLabelPredicted) -> list[int]:
    """The images that a page lists: in turn one with a missed and one with a wrong label."""
    both = (
        mistakes(predicted, of)[:MISTAKES].tolist() for of in (predicted.missed, predicted.wrong)
    )
    turns = zip_longest(*both)
    return [*dict.fromkeys(image for turn in turns for image in turn if image is not None)]
