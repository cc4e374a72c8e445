"""TIFF files of many channels."""

import io
import struct
import sys

import numpy as np
import pytest

from tlf.data.decoding.decode import open_image
from tlf.data.decoding.tiff import is_tiff, tiff_size, tiff_values
from tlf.errors import DataError

tifffile = pytest.importorskip("tifffile")


def tiff(array, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, array, photometric=options.pop("photometric", "minisblack"), **options)
    return file.getvalue()


def noise(*shape, dtype=np.uint16):
    return np.random.default_rng(0).integers(0, 255, shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "zlib"}, {"compression": "lzw", "predictor": True}, {"byteorder": ">"}],
    ids=["plain", "zlib", "lzw", "big-endian"],
)
def test_samples_are_channels(dtype, options):
    values = noise(6, 8, 5, dtype=dtype)
    data = tiff(values, planarconfig="contig", **options)
    assert np.array_equal(tiff_values(data, 5), values)
    planar = tiff(values.transpose(2, 0, 1), planarconfig="separate", **options)
    assert np.array_equal(tiff_values(planar, 5), values)
    assert is_tiff(data)
    assert tiff_size(data) == tiff_size(planar) == (8, 6)


def test_as_many_pages_as_there_are_channels_are_channels():
    values = noise(5, 6, 8)
    assert np.array_equal(tiff_values(tiff(values), 5), values.transpose(1, 2, 0))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_otherwise_the_first_page_is_the_image(channels):
    values = noise(3 if channels == 3 else 5, 6, 8)
    assert np.array_equal(tiff_values(tiff(values), channels), values[0][..., None])


def test_an_orientation_is_applied():
    values = noise(6, 8, 5)
    data = tiff(values, planarconfig="contig", extratags=[(274, "H", 1, 6, True)])
    assert np.array_equal(tiff_values(data, 5), np.rot90(values, -1))
    assert tiff_size(data) == (6, 8)


def test_other_values_are_refused():
    with pytest.raises(DataError, match="must be uint8 or uint16, got float32"):
        tiff_values(tiff(np.zeros((4, 4, 5), np.float32), planarconfig="contig"), 5)


def test_pages_of_two_sizes_are_no_channels():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for side in (4, 4, 4, 5):
            writer.write(np.zeros((side, 4), np.uint8), photometric="minisblack")
    with pytest.raises(DataError, match="must have one size and one type"):
        tiff_values(file.getvalue(), 4)


def test_a_header_that_claims_too_much_is_refused(monkeypatch):
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 20)
    with pytest.raises(DataError, match=r"too large to be safe: 48 pixels, more than .* 40"):
        tiff_values(tiff(noise(6, 8, 5), planarconfig="contig"), 5)


@pytest.mark.parametrize("values", [noise(6, 8, 5), noise(6, 8, 3)])
def test_an_image_without_pixels_is_refused(values):
    data = tiff(values, planarconfig="contig")
    for tag in (256, 257):  # width and height: a value of 16 bits behind 8 bytes
        place = data.index(struct.pack("<H", tag)) + 8
        data = data[:place] + bytes(4) + data[place + 4 :]
    with pytest.raises(DataError, match="must have pixels, got 0 × 0"):
        tiff_size(data)


def test_what_pillow_logs_about_a_damaged_file_is_not_shown(capsys):
    data = tiff(noise(6, 8, 5), planarconfig="contig")
    place = data.index(struct.pack("<H", 277)) + 8  # samples of a pixel
    with pytest.raises(DataError, match="a TIFF of a kind that Pillow cannot read"):
        open_image(data[:place] + struct.pack("<H", 60_000) + data[place + 2 :])
    assert capsys.readouterr().err == ""


def test_without_tifffile_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(DataError, match=r"pip install 'tlf\[tiff\]'"):
        tiff_values(b"II*\0", 5)
