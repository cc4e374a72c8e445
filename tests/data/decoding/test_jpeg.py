"""JPEG files by other libraries, and at a reduced scale."""

import sys
import types

import numpy as np
import pytest
import torch
from PIL import Image

from image_files import encoded, noise
from tlf.data.decoding import jpeg
from tlf.data.decoding.decode import open_image
from tlf.data.decoding.values import decode
from tlf.data.transforms import load, loaded_shape
from tlf.errors import DataError, RunError
from tlf.preprocessing import Preprocessing

DEPRECATED = pytest.mark.filterwarnings("ignore:The image decoding:DeprecationWarning")
"""torchvision's decoders, by torchcodec's."""
FIGURES = {1: (0.5,), 3: (0.5, 0.5, 0.5)}


def how(channels=3, **options):
    return Preprocessing(24, 28, mean=FIGURES[channels], std=FIGURES[channels], **options)


def turned(image, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    return encoded(image, "JPEG", exif=exif)


@pytest.fixture
def torchcodec(monkeypatch):
    """Whatever decodes for torchcodec: it turns images upright itself."""

    def decode_jpeg(data, mode):
        assert mode == "RGB"
        return torch.from_numpy(np.array(open_image(data))).permute(2, 0, 1)

    module = types.ModuleType("torchcodec.decoders")
    module.decode_jpeg = decode_jpeg
    monkeypatch.setitem(sys.modules, "torchcodec", types.ModuleType("torchcodec"))
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", module)


@DEPRECATED
@pytest.mark.usefixtures("torchcodec")
@pytest.mark.parametrize("decoder", ["torchvision", "torchcodec"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("depth", [8, 16])
def test_another_decoder_gives_upright_images_of_the_same_pixels(decoder, channels, depth):
    # No colour is stored at half the resolution: libraries enlarge it in other ways.
    for orientation in (1, 6, 7):
        data = turned(noise(40, 30).convert("L"), orientation)
        found = decode(data, how(channels, decoder=decoder, depth=depth))
        assert np.array_equal(found, decode(data, how(channels, depth=depth)))
        chosen = how(channels, decoder=decoder)
        assert torch.equal(load(data, chosen), load(data, how(channels)))


@DEPRECATED
@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_other_formats_are_pillows(form, monkeypatch):
    monkeypatch.setattr(jpeg, "_DECODE", {})
    data = encoded(noise(40, 30), form)
    assert torch.equal(load(data, how(decoder="torchvision")), load(data, how()))
    ink = encoded(noise(40, 30).convert("CMYK"), "JPEG")
    assert torch.equal(load(ink, how(decoder="torchvision")), load(ink, how()))


@DEPRECATED
def test_a_damaged_file_is_an_error_by_any_decoder():
    data = encoded(noise(40, 30), "JPEG")[:-200]
    for decoder in ("pillow", "torchvision"):
        with pytest.raises(DataError):
            load(data, how(decoder=decoder))


def test_a_decoder_that_is_not_installed_is_an_error_of_the_run(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    data = encoded(noise(40, 30), "JPEG")
    with pytest.raises(RunError, match=r"pip install torchcodec, or transforms.decoder = 'pillow'"):
        load(data, how(decoder="torchcodec"))


@pytest.mark.parametrize("size", [(200, 150), (150, 201), (900, 130)])
@pytest.mark.parametrize("crop", ["center", "squash"])
def test_a_reduced_image_has_the_shape_of_the_whole_and_is_close(size, crop):
    data = turned(noise(9, 7).resize(size), 6)
    reduced = how(reduced=True, crop=crop)
    image, whole = load(data, reduced), load(data, how(crop=crop))
    assert tuple(image.shape) == loaded_shape(data, reduced) == tuple(whole.shape)
    difference = (image.float() - whole.float()).abs()
    assert 0 < difference.mean() < 3


@pytest.mark.parametrize(("side", "scale"), [(56, 1), (111, 1), (112, 2), (224, 4), (2000, 8)])
def test_the_scale_leaves_twice_what_is_resized(side, scale):
    data = encoded(Image.new("RGB", (side, side + 40)), "JPEG")
    found = decode(data, how(reduced=True))
    assert found.width == -(-side // scale)


def test_what_is_no_jpeg_is_not_reduced():
    data = encoded(noise(200, 150), "PNG")
    assert torch.equal(load(data, how(reduced=True)), load(data, how()))


def test_a_reduced_image_may_be_larger_than_pillow_takes(monkeypatch):
    data = encoded(noise(400, 300), "JPEG")
    progressive = encoded(noise(400, 300), "JPEG", progressive=True)
    whole = load(data, how(reduced=True))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20_000)
    assert torch.equal(load(data, how(reduced=True)), whole)
    with pytest.raises(DataError, match=r"too large to be safe: .* transforms.reduced = true"):
        load(data, how())
    with pytest.raises(DataError, match="400 × 300 pixels; a progressive JPEG is held whole"):
        load(progressive, how(reduced=True))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)
    with pytest.raises(DataError, match="still 100 × 75 pixels at a reduced scale"):
        load(data, how(reduced=True))
