"""Nearest images, by blocks."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from tlf.checks import neighbours
from tlf.checks.neighbours import DIMENSIONS, _greatest, directions, nearest


@pytest.fixture
def rows():
    generator = torch.Generator().manual_seed(0)
    return normalize(torch.randn(50, 8, generator=generator))


def by_hand(similar, count):
    similar.fill_diagonal_(-2)
    return similar.argsort(1, descending=True)[:, :count].numpy()


@pytest.mark.parametrize("block", [1, 120, 10**9])
def test_the_nearest_come_first_whatever_the_block(rows, block, monkeypatch):
    monkeypatch.setattr(neighbours, "_BLOCK", block)
    np.testing.assert_array_equal(nearest(rows, 4), by_hand(rows @ rows.T, 4))


def test_the_better_orientation_counts(rows):
    even, odd = rows[:, :5], rows[:, 5:]
    either = torch.maximum(even @ even.T + odd @ odd.T, even @ even.T - odd @ odd.T)
    np.testing.assert_array_equal(nearest(even, 3, odd), by_hand(either, 3))


def test_some_images_may_be_asked_for(rows):
    asked = np.array([7, 3])
    np.testing.assert_array_equal(nearest(rows, 3, of=asked), nearest(rows, 3)[asked])
    assert nearest(rows, 3, of=np.array([], np.int64)).shape == (0, 3)


def test_there_are_no_more_neighbours_than_other_images(rows):
    assert nearest(rows[:2], 5).tolist() == [[1], [0]]
    assert nearest(rows[:1], 5).shape == (1, 0)


def test_directions_leave_out_what_all_images_share():
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(300, 200, generator=generator) + 100
    rows = directions(embeddings)
    assert rows.shape == (300, DIMENSIONS)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(300))
    assert abs(rows @ rows.T).sub(torch.eye(300)).abs().mean() < 0.1
    torch.testing.assert_close(rows, directions(embeddings))


def test_equal_embeddings_have_no_direction():
    assert directions(torch.ones(4, 6)).tolist() == [[0] * 4] * 4


def test_the_greatest_are_those_of_a_sort():
    """Also where they stand in one run, or there are fewer runs than are asked for."""
    similar = torch.rand(7, 5 * 64, generator=torch.Generator().manual_seed(0))
    similar[0, 70:80] += 1
    expected = similar.argsort(1, descending=True)
    assert torch.equal(_greatest(similar, 4), expected[:, :4])
    assert torch.equal(
        _greatest(similar[:, :128].contiguous(), 4), similar[:, :128].topk(4).indices
    )
