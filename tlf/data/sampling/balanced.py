"""Draws in which all classes are equally frequent.

Each class is dealt from a permutation of its own images, which is followed by the next permutation
when it is used up. So no image is drawn again before all others of its class, in this epoch or an
earlier one. Drawn with replacement, images would come up unequally often by chance alone.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from tlf.data.loading import order
from tlf.data.sampling.draws import Draws
from tlf.runtime.seeds import derive

if TYPE_CHECKING:
    from numpy.typing import NDArray

_AT_ONCE = 1024
"""Draws of a class that one generator gives at least: classes may have few images."""


def balanced_draws(seed: int, epoch: int, by_class: Sequence[Sequence[int]]) -> Draws:
    """As many draws as there are images, from every class equally many. Where they cannot be
    divided evenly, classes take turns over the epochs. No two draws of the run are the same: an
    image of several classes has other numbers in each of them.

    Parameters:
        seed: the seed of the run.
        epoch: the number of the epoch in the run, from 0.
        by_class: the indices of the images of each class; a class may have none.

    >>> draws = balanced_draws(0, 0, [[4], [0, 1, 2, 3, 5]])
    >>> sorted(draw for draw in draws if draw[1] == 4), len(draws)
    ([(0, 4), (1, 4), (2, 4)], 6)
    """
    held = {number: np.array(images, np.int32) for number, images in enumerate(by_class) if images}
    classes_of = np.bincount(np.concatenate([*held.values()]))
    count, most = int(np.count_nonzero(classes_of)), int(classes_of.max())
    earlier = np.zeros_like(classes_of)  # classes of each image, before the one that is dealt
    numbers, indices = [], []
    for place, (number, images) in enumerate(held.items()):
        # Draw t of the run is of the class at place t mod K. So many are before each epoch:
        first, end = (-(-(count * n - place) // len(held)) for n in (epoch, epoch + 1))
        drawn = images[_dealt(seed, number, len(images), first, end)]
        permutation = np.arange(first, end, dtype=np.int64) // len(images)
        numbers.append(permutation * most + earlier[drawn])
        indices.append(drawn)
        earlier[images] += 1
    shuffled = np.array(order(seed, epoch, count))
    return Draws(np.concatenate(numbers)[shuffled], np.concatenate(indices)[shuffled])


def _dealt(seed: int, number: int, size: int, first: int, end: int) -> "NDArray[np.int64]":
    """Draws of a class from ``first`` to ``end``: the positions of their images in the class."""
    permutations = max(1, _AT_ONCE // size)
    length, parts = permutations * size, []
    begun = first // length
    for part in range(begun, max(begun + 1, -(-end // length))):
        generator = torch.Generator().manual_seed(derive(seed, "class", number, part))
        keys = torch.rand(permutations, size, dtype=torch.float64, generator=generator)
        parts.append(keys.argsort(dim=1, stable=True).flatten().numpy())
    return np.concatenate(parts)[first - begun * length : end - begun * length]
