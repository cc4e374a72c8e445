"""16-bit values are scaled by their white, and large images are converted strip by strip."""

import numpy as np
import pytest
from PIL import Image

from image_files import encoded, noise
from tlf.data.decoding import eight_bits
from tlf.data.decoding.decode import open_image
from tlf.data.decoding.eight_bits import own_white, to_eight_bits
from tlf.errors import DataError

TWELVE = np.arange(4096, dtype=np.uint16).reshape(64, 64)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("white", [1, 255, 1000, 4095, 65535])
def test_white_becomes_255_and_all_else_in_proportion(kind, white):
    image = open_image(encoded(Image.fromarray(TWELVE), kind), 1, white)
    expected = np.floor(np.minimum(TWELVE, white) * (255 / white) + 0.5)
    assert np.array_equal(np.asarray(image), expected.astype(np.uint8))


def test_the_default_is_what_65535_gives():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    found = np.asarray(open_image(encoded(Image.fromarray(values), "PNG"), 1))
    assert np.array_equal(found, np.rint(values / 257).astype(np.uint8))


def test_a_format_that_states_its_own_white_keeps_it():
    """Pillow scales the values of a PGM by the largest one that its header allows."""
    pgm = b"P5\n2 1\n4095\n" + np.array([4095, 2048], dtype=">u2").tobytes()
    found = np.asarray(open_image(pgm, 1, white=1000))
    assert found.tolist() == [[255, 128]]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("values", [np.array([[4, 117, 9]], np.uint8), TWELVE[:1, :3] + 900])
def test_the_transparent_value_of_a_grey_png_becomes_white(values, channels):
    file = encoded(Image.fromarray(values), "PNG", transparency=int(values[0, 1]))
    found = np.asarray(open_image(file, channels, white=4095)).reshape(3, -1)
    assert (found == 255).all(1).tolist() == [False, True, False]
    file = encoded(Image.fromarray(values), "PNG")
    assert not (np.asarray(open_image(file, channels, white=4095)) == 255).any()


def test_images_of_8_bits_ignore_it():
    image = noise(9, 7)
    assert np.array_equal(np.asarray(open_image(encoded(image, "PNG"), 3, white=3)), image)


def test_white_is_asked_for_16_bit_grey_alone():
    modes = {mode: own_white(Image.new(mode, (2, 2)), 7) for mode in ("L", "RGB", "I", "F", "1")}
    assert modes == dict.fromkeys(modes)
    assert own_white(Image.new("I;16", (2, 2)), 7) == 7


@pytest.mark.parametrize("mode", ["I", "F"])
def test_32_bits_have_no_white(mode):
    with pytest.raises(DataError, match="no fixed white"):
        to_eight_bits(Image.new(mode, (2, 2)), "RGB", None)


def odd_images():
    colour = noise(40, 30)
    clear = colour.copy().convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize((40, 30)))
    palette = colour.quantize(16)
    palette.info["transparency"] = 3
    deep = Image.fromarray(TWELVE)
    deep.info["transparency"] = 1000
    return {
        "RGBA": clear, "P": palette, "LA": clear.convert("LA"), "CMYK": colour.convert("CMYK"),
        "L": colour.convert("L"), "1": colour.convert("1"), "I;16": Image.fromarray(TWELVE),
        "transparent I;16": deep,
    }  # fmt: skip


@pytest.mark.parametrize(("name", "image"), odd_images().items(), ids=odd_images())
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_strip_by_strip_gives_the_same_pixels(name, image, mode, monkeypatch):
    white = own_white(image, 4095)
    whole = to_eight_bits(image, mode, white)
    for pixels in (1, 100, 90 * 40):
        monkeypatch.setattr(eight_bits, "LARGE", pixels)
        strips = to_eight_bits(image, mode, white)
        assert (strips.mode, strips.size) == (mode, image.size)
        assert strips.tobytes() == whole.tobytes(), name
