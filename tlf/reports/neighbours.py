"""The train images that look most like an image: what its prediction rests on."""

from collections.abc import Sequence
from functools import partial

from tlf.data.embedded import EmbeddedSplits
from tlf.results import Neighbour

COUNT = 3
"""Train images that are shown beside each image."""


def neighbours(
    embedded: EmbeddedSplits, images: Sequence[int], count: int = COUNT
) -> dict[int, tuple[Neighbour, ...]]:
    """Image of the eval split → the train images with the most similar embeddings.

    Parameters:
        embedded: both splits.
        images: indices in the eval split.
        count: how many for each.
    """
    from tlf.checks.neighbours import greatest_places, unit

    if not images:
        return {}
    train, classes = embedded.splits.train, embedded.splits.classes
    similar = unit(embedded.eval[[*images]]) @ unit(embedded.train).T
    nearest = greatest_places(similar, count)
    return {
        image: tuple(
            Neighbour(
                name=train.names[index],
                label=embedded.task.names(train.labels[index], classes),
                similarity=float(row[index]),
                read=partial(train.read, index),
            )
            for index in places
        )
        for image, places, row in zip(images, nearest.tolist(), similar, strict=True)
    }
