"""Every image once, in a random order."""

from collections.abc import Collection

from tlf.data.listing.compact import Numbers
from tlf.data.loading import order
from tlf.data.sampling.draws import Draws


def shuffled_draws(seed: int, epoch: int, count: int, without: Collection[int] = ()) -> Draws:
    """Each of ``count`` images once, but for those ``without``.

    >>> draws = shuffled_draws(0, 3, 4, without={2})
    >>> sorted(draws)
    [(3, 0), (3, 1), (3, 3)]
    """
    every = order(seed, epoch, count)
    return Draws(Numbers(n for n in every if n not in without) if without else every, epoch)
