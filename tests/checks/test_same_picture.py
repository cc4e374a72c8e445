"""Copies show the same picture; other pictures of the same kind or with the same frame do not."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from planted import drawing
from tlf.checks.appearances import SIDE
from tlf.checks.same_picture import picture_similarity


def similarity(*images):
    small = np.stack(
        [np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX)) for image in images]
    )
    return float(picture_similarity(small, np.array([0]), np.array([1]))[0])


COPIES = {
    "resized": lambda image: image.resize((48, 48)),
    "cropped": lambda image: image.crop((3, 6, 125, 128)),
    "mirrored": ImageOps.mirror,
    "mirrored and cropped": lambda image: ImageOps.mirror(image).crop((0, 0, 122, 122)),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.6),
}


@pytest.mark.parametrize("change", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("seed", range(3))
def test_copies_show_the_same(change, seed):
    image = drawing(seed)
    assert similarity(image, change(image)) > 0.7
    assert similarity(change(image), image) == similarity(image, change(image))


def test_other_pictures_do_not():
    assert max(similarity(drawing(0), drawing(seed)) for seed in range(1, 9)) < 0.4


def test_neither_do_other_pictures_in_the_same_frame():
    one, other = (ImageOps.expand(drawing(seed), 12, "white") for seed in (0, 1))
    assert similarity(one, other) < 0.4


def test_an_image_of_one_colour_is_like_none():
    assert similarity(drawing(0), Image.new("L", (9, 9), 80)) < 0.01
    assert similarity(Image.new("L", (9, 9), 90), Image.new("L", (9, 9), 80)) < 0.01


def test_pairs_keep_their_order_in_chunks(monkeypatch):
    monkeypatch.setattr("tlf.checks.same_picture._IMAGES", 2)
    small = np.stack([np.asarray(drawing(seed).resize((SIDE, SIDE))) for seed in range(4)])
    one, other = np.array([3, 0, 2, 1, 0]), np.array([3, 1, 2, 1, 0])
    found = picture_similarity(small, one, other)
    assert (found > 0.99).tolist() == [True, False, True, True, True]
    assert len(picture_similarity(small, one[:0], other[:0])) == 0
