"""The train images that look most like an image: what its prediction rests on."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from tlf.components import Split
from tlf.results import Neighbour

if TYPE_CHECKING:
    from tlf.training.embeddings import Embeddings

COUNT = 3
"""Train images that are shown beside each image."""


def neighbours(
    embeddings: "Embeddings",
    train: Split,
    classes: Sequence[str],
    images: Sequence[int],
    count: int = COUNT,
) -> dict[int, tuple[Neighbour, ...]]:
    """Image of the eval split → the train images with the most similar embeddings.

    Parameters:
        embeddings: those of both splits.
        train: the train split.
        classes: the class names.
        images: indices in the eval split.
        count: how many for each.
    """
    from tlf.inference.train_images import unit

    if not images:
        return {}
    asked, known = unit(embeddings.eval[[*images]]), unit(embeddings.train)
    similarity, nearest = (asked @ known.T).topk(min(count, len(known)))
    return {
        image: tuple(
            Neighbour(
                name=train.names[index],
                label=classes[train.labels[index]],
                similarity=close,
                read=partial(train.read, index),
            )
            for index, close in zip(places, values, strict=True)
        )
        for image, places, values in zip(images, nearest.tolist(), similarity.tolist(), strict=True)
    }
