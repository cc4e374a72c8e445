"""Sizes unlike the others."""

import numpy as np
import pytest

from tlf.checks.odd_sizes import find_odd_sizes

USUAL = [[500, 375], [500, 333], [375, 500], [480, 360], [450, 300]] * 4


@pytest.mark.parametrize(
    ("size", "why"),
    [
        ([60, 45], "far smaller than the others"),
        ([4000, 3000], "far larger than the others"),
        ([2000, 90], "far longer and thinner than the others"),
        ([10, 2000], "far smaller than the others and far longer and thinner than the others"),
    ],
)
def test_an_odd_one_is_listed(size, why):
    (odd,) = find_odd_sizes(np.array([*USUAL, size]))
    assert odd.image == len(USUAL)
    assert odd.why == f"{why}: the median is 480 × 360"


@pytest.mark.parametrize("size", [[500, 375], [640, 480], [300, 225]])
def test_an_ordinary_one_is_not(size):
    assert find_odd_sizes(np.array([*USUAL, size])) == ()


def test_among_equal_sizes_a_small_difference_is_not_odd():
    equal = [[32, 32]] * 50
    assert find_odd_sizes(np.array([*equal, [30, 33]])) == ()
    assert [odd.image for odd in find_odd_sizes(np.array([*equal, [10, 10], [128, 128]]))] == [
        50,
        51,
    ]


def test_one_and_two_images():
    assert find_odd_sizes(np.array([[5, 5]])) == ()
    assert find_odd_sizes(np.array([[5, 5], [500, 500]])) == ()
