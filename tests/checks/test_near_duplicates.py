"""Groups of images that show the same."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from planted import drawing
from tlf.checks import near_duplicates
from tlf.checks.appearances import SIDE, Appearances
from tlf.checks.near_duplicates import SAME, Group, find_duplicates
from tlf.checks.neighbours import unit


def looks(images, digests=None):
    digests = (
        [str(number).encode() for number in range(len(images))] if digests is None else digests
    )
    small = [np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX)) for image in images]
    return Appearances(tuple(digests), np.full((len(images), 2), 128), np.stack(small))


def rows(count, seed=0):
    return unit(np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32))


def test_copies_are_grouped_and_others_are_not():
    """By their pixels alone: the embeddings are random."""
    images = [drawing(seed) for seed in range(20)]
    images += [
        ImageOps.mirror(images[3]),
        images[3].crop((4, 2, 128, 126)),
        images[7].resize((50, 50)),
    ]
    groups = find_duplicates(looks(images), rows(23))
    assert [group.images for group in groups] == [(3, 20, 21), (7, 22)]
    assert all(group.equal == group.images for group in groups)
    assert all(SAME <= group.similarity < 1 for group in groups)


def test_embeddings_find_candidates_too(monkeypatch):
    images = [drawing(seed) for seed in range(20)] + [ImageOps.mirror(drawing(3))]
    coarse = (rows(21, 5), np.zeros((21, 1), np.float32))
    monkeypatch.setattr(near_duplicates, "_coarse", lambda small: coarse)
    monkeypatch.setattr(near_duplicates, "_CANDIDATES", 1)
    near = rows(21, 7)
    assert find_duplicates(looks(images), near) == ()
    near[20] = near[3]
    assert [group.images for group in find_duplicates(looks(images), near)] == [(3, 20)]


def test_equal_bytes_are_exact_and_a_copy_of_one_joins_them():
    images = [drawing(seed) for seed in (0, 1, 1, 2, 2)] + [ImageOps.mirror(drawing(2))]
    groups = find_duplicates(looks(images, [b"a", b"b", b"b", b"c", b"c", b"d"]), rows(6))
    assert groups[0] == Group((1, 2), equal=(1, 1), similarity=1.0)
    assert groups[1].images == (3, 4, 5)
    assert groups[1].equal == (3, 3, 5)


@pytest.mark.parametrize("equal", [True, False])
def test_thousands_of_equal_images_are_one_group(equal, monkeypatch):
    """Blank images, of equal bytes or stored in several ways: nothing is compared."""
    monkeypatch.setattr(near_duplicates, "picture_similarity", None)
    digests = [b"" if equal else str(number).encode() for number in range(3000)]
    blank = Appearances(
        tuple(digests), np.full((3000, 2), 9), np.full((3000, SIDE, SIDE), 255, np.uint8)
    )
    every = tuple(range(3000))
    numbers = (0,) * 3000 if equal else every
    assert find_duplicates(blank, rows(3000)) == (Group(every, numbers, 1.0),)


@pytest.mark.parametrize("count", [1, 2])
def test_few_images(count):
    assert find_duplicates(looks([drawing(seed) for seed in range(count)]), rows(count)) == ()
