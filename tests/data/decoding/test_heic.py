"""HEIC files."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from image_files import noise
from tlf.data.decoding.decode import open_image, upright_size
from tlf.data.decoding.heic import is_heic
from tlf.errors import DataError

pillow_heif = pytest.importorskip("pillow_heif")


def heic(image, **options):
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, quality=90, **options)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_heic_comes_close_to_what_was_saved(mode):
    image = noise(4, 3).resize((64, 48)).convert(mode)
    data = heic(image)
    assert is_heic(data)
    assert upright_size(data) == (64, 48)
    difference = np.asarray(open_image(data), float) - np.asarray(image.convert("RGB"), float)
    assert abs(difference).mean() < 8
    assert np.array_equal(open_image(data), open_image(data))


def test_heic_is_turned_once():
    image = noise(4, 3).resize((64, 48))
    exif = Image.Exif()
    exif[274] = 6
    data = heic(image, exif=exif.tobytes())
    assert upright_size(data) == open_image(data).size == (48, 64)
    upright = np.asarray(image.rotate(-90, expand=True), float)
    assert abs(np.asarray(open_image(data), float) - upright).mean() < 8


def test_damaged_heic_is_an_error():
    data = heic(noise(64, 48))
    with pytest.raises(DataError, match="outside of file bounds") as error:
        open_image(data[: len(data) // 2])
    assert "\n" not in str(error.value)


def test_without_pillow_heif_the_error_says_what_to_install(monkeypatch):
    data = heic(noise(64, 48))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(DataError, match=r"pip install 'tlf\[heic\]'"):
        open_image(data)
