"""One look at each file: hash, upright size, small grey image."""

from hashlib import sha256
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from generators import exhausted
from image_files import encoded
from tlf.checks.appearances import SIDE, look_at, small_image
from tlf.components import Split
from tlf.data.loading import decoded_pixels
from tlf.errors import DataError
from tlf.preprocessing import Preprocessing


def splits_of(train, evaluated):
    """Splits of these files, and their decoded images."""
    splits = SimpleNamespace(
        **{
            name: Split(tuple(map(str, range(len(files)))), (0,) * len(files), files.__getitem__)
            for name, files in (("train", train), ("eval", evaluated))
        }
    )
    decoded = decoded_pixels(splits, Preprocessing(size=32, resize=32))
    pixels = {name: lambda i, of=decoded[name]: of(i).numpy() for name in ("train", "eval")}
    return splits, pixels


def test_every_file_is_looked_at_train_first():
    red, wide = encoded(Image.new("RGB", (40, 60), "red")), encoded(Image.new("L", (80, 40), 7))
    appearances, events = exhausted(look_at(*splits_of([red, wide], [wide])))
    assert appearances.digests == tuple(sha256(data).digest() for data in (red, wide, wide))
    assert appearances.sizes.tolist() == [[40, 60], [80, 40], [80, 40]]
    assert appearances.small.shape == (3, SIDE, SIDE)
    assert np.unique(appearances.small[1:]).tolist() == [7]
    assert {event.title for event in events} == {
        "looking at train images",
        "looking at eval images",
    }


def test_a_file_that_is_gone_is_reported():
    def gone(index):
        raise DataError("gone")

    splits, pixels = splits_of([encoded(Image.new("RGB", (9, 9)))], [])
    splits.train = Split(("a",), (0,), gone)
    with pytest.raises(DataError, match="gone"):
        exhausted(look_at(splits, pixels))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_small_image_is_the_mean_of_areas(channels):
    image = np.zeros((channels, 64, 128), np.uint8)
    image[:, :, 64:] = 200
    small = small_image(image)
    assert small.dtype == np.uint8
    assert np.unique(small[:, :16]).tolist() == [0]
    assert np.unique(small[:, 16:]).tolist() == [200]
