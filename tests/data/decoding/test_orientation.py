"""Which way is up, of images and of arrays."""

import numpy as np
import pytest
from PIL import Image

from tlf.data.decoding.orientation import upright, upright_values


@pytest.mark.parametrize("number", range(1, 9))
def test_arrays_are_turned_as_images_are(number):
    values = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    image = Image.fromarray(values)
    image.getexif()[274] = number
    assert np.array_equal(upright_values(values, number), np.asarray(upright(image)))


def test_an_unknown_orientation_turns_nothing():
    values = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    assert np.array_equal(upright_values(values, 99), values)
