"""Images of other depths and channels than Pillow has modes for."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from image_files import encoded, noise
from tlf.data.decoding.decode import open_image
from tlf.data.decoding.values import decode, decoded_size, largest_deep, picture
from tlf.data.transforms import full_pixels, full_shape, load, load_full, load_opened, loaded_shape
from tlf.errors import DataError
from tlf.preprocessing import Preprocessing


def how(channels=3, depth=16, white=65_535, **options):
    figures = (0.5,) * channels
    return Preprocessing(32, 36, mean=figures, std=figures, depth=depth, white=white, **options)


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def sixteen(*shape, largest=65_535):
    return np.random.default_rng(0).integers(0, largest + 1, shape).astype(np.uint16)


GREY = sixteen(20, 30, largest=4000)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey_are_kept(form):
    data = encoded(Image.fromarray(GREY), form)
    assert np.array_equal(decode(data, how(1))[..., 0], GREY)
    scaled = decode(data, how(3, white=4000))
    assert np.array_equal(scaled, np.repeat(np.rint(GREY / 4000 * 65_535)[..., None], 3, axis=2))
    assert scaled.dtype == np.uint16


@pytest.mark.parametrize("values", [np.array([[4, 117, 9]], np.uint8), GREY[:1, :3] + 90])
def test_the_transparent_value_of_a_grey_png_becomes_white(values):
    data = encoded(Image.fromarray(values), "PNG", transparency=int(values[0, 1]))
    found = decode(data, how(1, white=5000))[..., 0]
    assert (found == 65_535).tolist() == [[False, True, False]]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_eight_bits_are_spread_over_sixteen(channels, form):
    data = encoded(noise(30, 20), form)
    expected = np.atleast_3d(np.asarray(open_image(data, channels))).astype(int) * 257
    assert np.array_equal(decode(data, how(channels)), expected)


def test_a_file_of_numpy_is_what_the_same_image_in_another_file_is():
    for channels in (1, 3):
        png = encoded(Image.fromarray(GREY), "PNG")
        for depth in (8, 16):
            way = how(channels, depth, white=4000)
            assert torch.equal(load(npy(GREY), way), load(png, way))
    eight = np.asarray(noise(30, 20))
    for channels in (1, 3):
        way = how(channels, 8)
        assert torch.equal(load(npy(eight), way), load(encoded(noise(30, 20), "PNG"), way))


@pytest.mark.parametrize("depth", [8, 16])
def test_any_number_of_channels_goes_from_the_file_to_the_backbone(depth):
    values = sixteen(20, 30, 7)
    way, data = how(7, depth), npy(values)
    image = load(data, way)
    assert tuple(image.shape) == loaded_shape(data, way) == (7, 36, 54)
    assert image.dtype == (torch.uint16 if depth == 16 else torch.uint8)
    full = load_full(data, way)
    assert full_pixels(data, way).shape == full_shape(data, way) == (20, 30, 7)
    assert full.dtype == image.dtype
    assert torch.equal(image, load_opened(values, way))
    each = [load(npy(values[..., n]), how(1, depth)) for n in range(7)]
    assert torch.equal(image, torch.cat(each))


def test_sixteen_bits_are_resized_as_eight_bits_are_within_a_step():
    eight = np.asarray(noise(30, 20))
    fine = load(npy(eight.astype(np.uint16) * 257), how(3)).to(torch.float64) / 257
    coarse = load(npy(eight), how(3, 8)).to(torch.float64)
    assert (fine - coarse).abs().max() <= 1


def test_resizing_overshoots_no_limit():
    edge = np.zeros((30, 30, 5), np.uint16)
    edge[:, 15:] = 65_535
    image = load(npy(edge), how(5, interpolation="lanczos")).to(torch.int64)
    assert (image[:, :, 0].max(), image[:, :, -1].min()) == (0, 65_535)
    assert (image.diff(dim=2) >= 0).float().mean() > 0.9  # none has wrapped around


@pytest.mark.parametrize(("mode", "channels"), [("RGBA", 4), ("LA", 2)])
def test_transparency_may_be_a_channel(mode, channels):
    image = noise(30, 20).convert(mode)
    image.putalpha(noise(30, 20).convert("L"))
    assert np.array_equal(decode(encoded(image, "PNG"), how(channels, 8)), np.asarray(image))


@pytest.mark.parametrize(("mode", "bands"), [("RGB", 3), ("L", 1), ("CMYK", 4)])
def test_other_channels_are_an_error(mode, bands):
    data = encoded(noise(30, 20).convert(mode), "JPEG")
    with pytest.raises(DataError, match=f"takes 4 channels, the image has {bands}"):
        decode(data, how(4, 8))


def test_what_pillow_would_cut_off_is_refused():
    file = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">2I5B", 4, 2, 16, 2, 0, 0, 0)  # colour of 16 bits
    for kind, part in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(50))), (b"IEND", b"")):
        file += struct.pack(">I", len(part)) + kind + part
        file += struct.pack(">I", zlib.crc32(kind + part))
    assert open_image(file).size == (4, 2)
    with pytest.raises(DataError, match=r"16 bits per colour, .* write transforms.depth = 8"):
        decode(file, how(3))


def test_colour_of_sixteen_bits_comes_from_tiff():
    tifffile, file = pytest.importorskip("tifffile"), io.BytesIO()
    values = sixteen(20, 30, 3)
    tifffile.imwrite(file, values, photometric="rgb")
    assert np.array_equal(decode(file.getvalue(), how(3)), values)
    assert decoded_size(file.getvalue()) == (30, 20)


def test_many_channels_come_from_tiff():
    tifffile, file = pytest.importorskip("tifffile"), io.BytesIO()
    values = sixteen(20, 30, 6)
    tifffile.imwrite(file, values, photometric="minisblack", planarconfig="contig")
    data = file.getvalue()
    assert np.array_equal(decode(data, how(6)), values)
    assert decoded_size(data) == (30, 20)
    with pytest.raises(DataError, match="takes 5 channels, the image has 6"):
        decode(data, how(5))
    with pytest.raises(DataError, match=r"Pillow cannot read; .* train with backbone.channels"):
        decode(data, how(3, 8))
    assert picture(data).size == (30, 20)
    for cut in (8, 200, len(data) - 9):
        with pytest.raises(DataError):
            decode(data[:cut], how(6))


def test_the_largest_value_is_that_before_it_is_scaled():
    png = encoded(Image.fromarray(GREY), "PNG")
    assert largest_deep(png, how(1)) == largest_deep(npy(GREY), how(1)) == GREY.max()
    eight = encoded(noise(30, 20), "PNG")
    assert largest_deep(eight, how(3)) is largest_deep(npy(np.asarray(noise(3, 2))), how(3)) is None
    tifffile, file = pytest.importorskip("tifffile"), io.BytesIO()
    pages = sixteen(6, 20, 30, largest=900)
    pages[4, 3, 2] = 3000
    tifffile.imwrite(file, pages, photometric="minisblack")
    assert largest_deep(file.getvalue(), how(6, 8)) == 3000


def test_a_person_sees_any_image():
    assert picture(npy(sixteen(20, 30, 5))).mode == "RGB"
    assert picture(npy(sixteen(20, 30))).mode == "L"
    assert picture(encoded(noise(30, 20), "PNG")).size == (30, 20)
    with pytest.raises(DataError):
        picture(b"no image")


def test_no_image_has_no_size():
    for data in (b"", b"II*\0", b"\x93NUMPY"):
        with pytest.raises(DataError):
            decoded_size(data)
