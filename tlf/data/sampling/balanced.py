"""Draws in which all classes are equally frequent.

Each class is dealt from a permutation of its own images, which is followed by the next permutation
when it is used up. So no image is drawn again before all others of its class, in this epoch or an
earlier one. Drawn with replacement, images would come up unequally often by chance alone.
"""

from array import array
from collections.abc import Iterator, Sequence
from itertools import chain

import torch

from tlf.data.listing.compact import Numbers
from tlf.data.loading import order
from tlf.data.sampling.draws import Draws
from tlf.runtime.seeds import derive

_AT_ONCE = 1024
"""Draws of a class that one generator gives at least: classes may have few images."""


def balanced_draws(seed: int, epoch: int, by_class: Sequence[Sequence[int]]) -> Draws:
    """As many draws as there are images, from every class equally many. Where they cannot be
    divided evenly, classes take turns over the epochs.

    Parameters:
        seed: the seed of the run.
        epoch: the number of the epoch in the run, from 0.
        by_class: the indices of the images of each class; a class may have none.

    >>> draws = balanced_draws(0, 0, [[4], [0, 1, 2, 3, 5]])
    >>> sorted(index for _, index in draws if index != 4), draws.count((2, 4))
    ([1, 3, 5], 1)
    """
    held = {number: images for number, images in enumerate(by_class) if images}
    count = len({*chain.from_iterable(held.values())})
    turns, drawn = array("i"), array("i")
    for place, (number, images) in enumerate(held.items()):
        # Draw t of the run is of the class at place t mod K. So many are before each epoch:
        first, end = (-(-(count * n - place) // len(held)) for n in (epoch, epoch + 1))
        for turn, position in _dealt(seed, number, len(images), first, end):
            turns.append(turn)
            drawn.append(images[position])
    shuffled = order(seed, epoch, count)
    return Draws(Numbers(drawn[n] for n in shuffled), Numbers(turns[n] for n in shuffled))


def _dealt(seed: int, number: int, size: int, first: int, end: int) -> Iterator[tuple[int, int]]:
    """Draws of a class from ``first`` to ``end``: how often each image was drawn before, and its
    position in the class.
    """
    permutations = max(1, _AT_ONCE // size)
    length = permutations * size
    for part in range(first // length, -(-end // length)):
        generator = torch.Generator().manual_seed(derive(seed, "class", number, part))
        keys = torch.rand(permutations, size, dtype=torch.float64, generator=generator)
        positions = keys.argsort(dim=1, stable=True).flatten().tolist()
        start = part * length
        for draw in range(max(first, start), min(end, start + length)):
            yield draw // size, positions[draw - start]
