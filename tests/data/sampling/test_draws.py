"""Draws are keys, one by one and in slices."""

import numpy as np

from tlf.data.loading import make_batches
from tlf.data.sampling.draws import Draws

DRAWS = Draws(np.array([3, 3, 4], np.int32), np.array([7, 0, 7]))


def test_a_draw_is_a_key():
    assert [*DRAWS] == [(3, 7), (3, 0), (4, 7)]
    assert (len(DRAWS), DRAWS[-1], DRAWS[1:]) == (3, (4, 7), [(3, 0), (4, 7)])
    assert {type(number) for key in DRAWS for number in key} == {int}


def test_batches_of_draws_are_lists_of_keys():
    assert [*make_batches(DRAWS, 2)] == [[(3, 7), (3, 0)], [(4, 7)]]
    assert [*make_batches(DRAWS, 2, lone=False)] == [[(3, 7), (3, 0), (4, 7)]]
