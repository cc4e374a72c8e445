"""The train images that look most like an image: what its prediction rests on."""

from collections.abc import Sequence
from functools import partial

from tlf.data.embedded import EmbeddedSplits
from tlf.results import Neighbour

COUNT = 3
"""Train images that are shown beside each image."""

_BLOCK = 2**23
"""Similarities that are held at once: 32 MiB, and twice that for their order."""
_FEWEST = 4
"""Images of a block, at least: products of fewer may be summed in another order."""


def neighbours(
    embedded: EmbeddedSplits, images: Sequence[int], count: int = COUNT
) -> dict[int, tuple[Neighbour, ...]]:
    """Image of the eval split → the train images with the most similar embeddings.

    Parameters:
        embedded: both splits.
        images: indices in the eval split.
        count: how many for each.
    """
    import numpy as np

    from tlf.checks.neighbours import greatest_places, unit

    if not images:
        return {}
    train, classes = embedded.splits.train, embedded.splits.classes
    own, others = unit(embedded.eval[[*images]]), unit(embedded.train)
    blocks = -(-len(own) // max(_FEWEST, _BLOCK // len(others)))
    found = []
    for part in np.array_split(own, blocks):
        similar = part @ others.T
        for row, places in zip(similar, greatest_places(similar, count).tolist(), strict=True):
            found.append([(place, float(row[place])) for place in places])
    return {
        image: tuple(
            Neighbour(
                name=train.names[index],
                label=embedded.task.names(train.labels[index], classes),
                similarity=similarity,
                read=partial(train.read, index),
            )
            for index, similarity in near
        )
        for image, near in zip(images, found, strict=True)
    }
