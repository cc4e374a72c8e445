"""Nearest images, by blocks."""

import numpy as np
import pytest

from tlf.checks import neighbours
from tlf.checks.neighbours import DIMENSIONS, _greatest, directions, greatest_places, nearest, unit


@pytest.fixture
def rows():
    return unit(np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32))


def by_hand(similar, count):
    np.fill_diagonal(similar, -2)
    return np.argsort(-similar, 1)[:, :count]


@pytest.mark.parametrize("block", [1, 120, 10**9])
def test_the_nearest_come_first_whatever_the_block(rows, block, monkeypatch):
    monkeypatch.setattr(neighbours, "_BLOCK", block)
    np.testing.assert_array_equal(nearest(rows, 4), by_hand(rows @ rows.T, 4))


def test_the_better_orientation_counts(rows):
    even, odd = rows[:, :5], rows[:, 5:]
    either = np.maximum(even @ even.T + odd @ odd.T, even @ even.T - odd @ odd.T)
    np.testing.assert_array_equal(nearest(even, 3, odd), by_hand(either, 3))


def test_some_images_may_be_asked_for(rows):
    asked = np.array([7, 3])
    np.testing.assert_array_equal(nearest(rows, 3, of=asked), nearest(rows, 3)[asked])
    assert nearest(rows, 3, of=np.array([], np.int64)).shape == (0, 3)


def test_there_are_no_more_neighbours_than_other_images(rows):
    assert nearest(rows[:2], 5).tolist() == [[1], [0]]
    assert nearest(rows[:1], 5).shape == (1, 0)


def test_directions_leave_out_what_all_images_share():
    embeddings = np.random.default_rng(0).normal(100, size=(300, 200)).astype(np.float32)
    rows = directions(embeddings)
    assert (rows.shape, rows.dtype) == ((300, DIMENSIONS), np.float32)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    assert abs(rows @ rows.T - np.eye(300)).mean() < 0.1
    np.testing.assert_allclose(rows, directions(embeddings), atol=1e-5)


def test_equal_embeddings_have_no_direction():
    assert directions(np.ones((4, 6), np.float32)).tolist() == [[0] * 4] * 4


def test_the_greatest_are_those_of_a_sort():
    """Also where they stand in one run, or there are fewer runs than are asked for."""
    similar = np.random.default_rng(0).random((7, 5 * 64), np.float32)
    similar[0, 3::5][:10] += 1
    expected = np.argsort(-similar, 1)
    for find in (_greatest, greatest_places):
        np.testing.assert_array_equal(find(similar, 4), expected[:, :4])
    few = similar[:, :128].copy()
    np.testing.assert_array_equal(_greatest(few, 4), np.argsort(-few, 1)[:, :4])
    np.testing.assert_array_equal(greatest_places(few, 999), np.argsort(-few, 1))
