"""Draws are a sequence of keys."""

from tlf.data.listing.compact import Numbers
from tlf.data.sampling.draws import Draws


def test_draws_are_keys():
    draws = Draws(Numbers([5, 3, 8, 1]), Numbers([0, 1, 0, 2]))
    assert [*draws] == [(0, 5), (1, 3), (0, 8), (2, 1)]
    assert [*draws[1:3]] == [(1, 3), (0, 8)]
    assert draws[-1] == (2, 1)
    assert [*Draws(Numbers([5, 3]), 4)[1:]] == [(4, 3)]
    assert draws == Draws(Numbers([5, 3, 8, 1]), Numbers([0, 1, 0, 2]))
    assert draws != draws[:3]
