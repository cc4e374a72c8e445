"""Which image files are read, to which pixels, and what is said about the others."""

import io
import random
import struct
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps, features
from torchvision import transforms

from image_files import LATE, encoded, noise
from places import HYMENOPTERA
from tlf.data.decoding import decode as decode_module
from tlf.data.decoding.decode import from_array, open_image, upright_size
from tlf.errors import DataError

ANTS = HYMENOPTERA / "val" / "ants"


def pixels(image):
    return transforms.functional.pil_to_tensor(image)


def decode(data, channels=3):
    return pixels(open_image(data, channels))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "GIF"])
def test_lossless_formats_give_the_pixels_back(kind):
    image = noise(15, 12).quantize(200).convert("RGB")
    assert torch.equal(decode(encoded(image, kind)), pixels(image))


@pytest.mark.parametrize(
    ("kind", "options", "codec"),
    [
        ("WEBP", {"lossless": True}, "webp"),
        ("JPEG2000", {}, "jpg_2000"),
        ("AVIF", {"quality": 100}, "avif"),
        ("JPEG", {"quality": 100, "subsampling": 0}, "jpg"),
    ],
)
def test_other_formats_come_close(kind, options, codec):
    if codec not in features.get_supported():
        pytest.skip(f"this Pillow comes without {codec}")
    image = Image.linear_gradient("L").resize((40, 30)).convert("RGB")
    difference = decode(encoded(image, kind, **options)).int() - pixels(image).int()
    assert difference.abs().max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_rotated_as_exif_says(orientation):
    image = noise(7, 5)
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("PNG", "TIFF"):
        data = encoded(image, kind, exif=exif)
        right = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        assert torch.equal(decode(data), pixels(right))
    upright = {6: image.rotate(-90, expand=True), 3: image.rotate(180), 1: image}
    if orientation in upright:
        assert torch.equal(decode(data), pixels(upright[orientation]))


@pytest.mark.parametrize(
    "block", [b"Exif\0\0garbage!", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"]
)
def test_an_image_with_a_damaged_exif_block_is_read(block):
    image = noise(7, 5)
    assert torch.equal(decode(encoded(image, "PNG", exif=block)), pixels(image))


def test_an_orientation_that_does_not_exist_is_upright():
    exif = Image.Exif()
    exif[0x0112] = 77
    image = noise(7, 5)
    assert torch.equal(decode(encoded(image, exif=exif)), pixels(image))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_become_white(mode, channels):
    colour = (0, 0, 0) if mode == "RGBA" else (0,)
    image = Image.new(mode, (3, 1))
    for x, alpha in enumerate((0, 128, 255)):
        image.putpixel((x, 0), (*colour, alpha))
    assert decode(encoded(image), channels).unique(dim=0).tolist() == [[[255, 127, 0]]]


def test_opaque_pixels_keep_their_colours_beside_transparent_ones():
    image = noise(9, 9).convert("RGBA")
    image.putpixel((0, 0), (1, 2, 3, 0))
    result = decode(encoded(image))
    assert result[:, 0, 0].tolist() == [255, 255, 255]
    assert torch.equal(result[:, 1:], pixels(image.convert("RGB"))[:, 1:])


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_palette_colour_becomes_white(kind):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    plain = decode(encoded(image, kind))
    clear = decode(encoded(image, kind, transparency=0))
    assert plain[:, 0].T.tolist() == [[10, 20, 30], [200, 100, 50]]
    assert clear[:, 0].T.tolist() == [[255, 255, 255], [200, 100, 50]]


def test_cmyk_is_shown_as_rgb():
    data = encoded(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG", quality=100)
    assert (decode(data)[:, 8, 8] - torch.tensor([0, 255, 255])).abs().max() <= 2


def test_adobes_ycck_is_shown_as_rgb():
    # Red as Adobe stores it is Y Cb Cr K = 179 171 0 255; Pillow writes 255 minus what it is given.
    data = encoded(Image.new("CMYK", (16, 16), (76, 84, 255, 0)), "JPEG", quality=100)
    marker = data.index(b"Adobe") + 11
    assert data[marker] == 0
    result = decode(data[:marker] + b"\x02" + data[marker + 1 :])
    assert (result[:, 8, 8].int() - torch.tensor([255, 0, 0])).abs().max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_grey_is_scaled_not_clipped(kind):
    values = np.array([[0, 128, 129, 257, 300, 32768, 65000, 65535]], dtype=np.uint16)
    if kind == "PPM":  # which not every Pillow writes
        data = b"P5 8 1 65535\n" + values.astype(">u2").tobytes()
    else:
        data = encoded(Image.fromarray(values), kind)
    expected = np.rint(values / 257).astype(np.uint8)
    assert np.array_equal(decode(data, 1)[0].numpy(), expected)
    assert np.array_equal(decode(data, 3)[2].numpy(), expected)


def test_big_endian_sixteen_bit_grey():
    values = np.array([[0, 257, 65535]], dtype=">u2")
    image = Image.frombytes("I;16B", (3, 1), values.tobytes())
    assert decode(encoded(image, "TIFF"), 1).tolist() == [[[0, 1, 255]]]


def test_one_bit_images_are_black_and_white():
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert decode(encoded(image)).tolist() == [[[0, 255]]] * 3


def test_the_first_frame_of_an_animation_counts():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "green", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(data)[:, 0, 0].tolist() == [255, 0, 0]


def test_colour_profiles_are_ignored():
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    image = noise(5, 5)
    assert torch.equal(decode(encoded(image, icc_profile=profile)), pixels(image))


def test_grey_is_the_luma_of_colour():
    image = noise(20, 20)
    assert torch.equal(decode(encoded(image), 1), pixels(transforms.Grayscale()(image)))


@pytest.mark.skipif(not ANTS.exists(), reason="needs shared/data/hymenoptera")
@pytest.mark.filterwarnings("ignore:The image decoding:DeprecationWarning")
def test_real_jpegs_are_what_another_decoder_reads():
    decode_jpeg = pytest.importorskip("torchvision.io").decode_jpeg
    for path in sorted(ANTS.glob("*.jpg"))[:12]:
        data = path.read_bytes()
        other = decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        assert torch.equal(decode(data), other), path.name


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_truncated_files_are_errors(kind, keep):
    data = encoded(noise(64, 48), kind)
    with pytest.raises(DataError):
        decode(data[: int(len(data) * keep)])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello", "not an image in a known format"),
        (b"\n<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "File size too small"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not an image in a known format"),
        (bytes(18) + b"\0" * 100, "not an image in a known format"),
    ],
)
def test_other_files_are_errors_that_say_what_they_are(data, reason):
    with pytest.raises(DataError, match=reason) as caught:
        decode(data)
    assert "0x" not in str(caught.value)


def test_values_without_a_fixed_white_are_errors():
    image = Image.fromarray(np.array([[0.0, 1.0]], dtype=np.float32))
    with pytest.raises(DataError, match="8 or 16 bits"):
        decode(encoded(image, "TIFF"))


def test_decompression_bombs_are_errors(monkeypatch):
    data = encoded(Image.new("1", (100, 100)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(DataError, match="too large"):
        decode(data)


@pytest.mark.parametrize("size", [(2**20 + 1, 1), (1, 2**20 + 1)])
def test_an_image_with_an_endless_side_is_an_error(size):
    data = encoded(Image.new("1", size))
    for function in (open_image, upright_size):
        with pytest.raises(DataError, match="pixels: no side may have more than 1,048,576"):
            function(data)


def test_large_images_are_decoded_one_at_a_time(monkeypatch):
    """A small file may hold an image that takes a gigabyte, on each thread."""
    running, most = 0, 0
    real = decode_module.standard

    def counted(*arguments):
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.02)
        running -= 1
        return real(*arguments)

    monkeypatch.setattr(decode_module, "standard", counted)
    data, found = encoded(noise(20, 20)), []
    for limit in (2**24, 300):
        most = 0
        monkeypatch.setattr(decode_module, "LARGE", limit)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(open_image, [data] * 8))
        found.append(most)
    assert found[0] > 1
    assert found[1] == 1


def test_a_jpeg_with_many_scans_is_refused_before_it_is_decoded():
    data = encoded(noise(40, 30), "JPEG", progressive=True)
    many = data[:-2] + 120 * data[data.rindex(b"\xff\xda") : -2] + data[-2:]
    for read in (decode, upright_size):
        with pytest.raises(DataError, match="a JPEG may have at most 100 scans, got 1"):
            read(many)


def test_channels_are_one_or_three():
    with pytest.raises(ValueError, match=r"must be 3 .* got 4"):
        decode(encoded(noise(4, 4)), 4)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_damaged_files_decode_or_are_data_errors(kind):
    data = encoded(noise(24, 16), kind)
    chance = random.Random(0)
    outcomes = set()
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 8)):
            damaged[chance.randrange(min(len(damaged), 400))] = chance.randrange(256)
        try:
            outcomes.add(decode(bytes(damaged)).dtype)
        except DataError as error:
            outcomes.add(bool(str(error)))
    assert outcomes == {torch.uint8, True}


def test_a_tiff_whose_directory_ends_early_is_an_error():
    """Pillow raises struct.error or SyntaxError."""
    with pytest.raises(DataError):
        decode(struct.pack("<2sHI", b"II", 42, 8) + b"\x05\0")


@pytest.mark.parametrize("data", LATE.values(), ids=LATE)
def test_a_png_may_hold_its_orientation_after_its_pixels(data):
    assert upright_size(data) == open_image(data).size == (40, 61)


def test_the_size_of_a_file_that_is_no_image_is_an_error():
    with pytest.raises(DataError, match="not an image in a known format"):
        upright_size(b"no image")


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3), (4, 5, 4)])
def test_an_array_becomes_an_image(shape):
    values = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    assert np.array_equal(np.asarray(from_array(values)), values)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((8, 8, 3)), r"must be uint8, RGB .* got float64 \(8, 8, 3\)$"),
        (np.zeros((3, 8, 8), np.uint8), r"got uint8 \(3, 8, 8\)$"),
        (np.zeros(8, np.uint8), r"got uint8 \(8,\)$"),
        (np.zeros((0, 8, 3), np.uint8), r"must have pixels, got \(0, 8, 3\)$"),
    ],
)
def test_other_arrays_are_errors(array, message):
    with pytest.raises(DataError, match=message):
        from_array(array)
