import io
import random
import struct

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps, features
from torchvision import transforms

from places import HYMENOPTERA
from tlf.data.decode import open_image
from tlf.data.transforms import center_crop, load, load_opened, loaded_shape, normalize
from tlf.errors import DataError
from tlf.preprocessing import Preprocessing

ANTS = HYMENOPTERA / "val" / "ants"
SIZES = [(97, 61), (61, 97), (64, 64), (33, 200), (500, 333), (31, 29), (1, 7)]


def noise(width, height, mode="RGB"):
    rng = np.random.default_rng(width * 1000 + height)
    shape = (height, width) if mode == "L" else (height, width, len(mode))
    return Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))


def encoded(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pixels(image):
    return transforms.functional.pil_to_tensor(image)


def decode(data, channels=3):
    return pixels(open_image(data, channels))


def reference(preprocessing):
    interpolation = transforms.InterpolationMode(preprocessing.interpolation)
    size = (
        (preprocessing.size, preprocessing.size)
        if preprocessing.crop == "squash"
        else preprocessing.resize
    )
    return transforms.Compose(
        [
            transforms.Resize(size, interpolation),
            transforms.CenterCrop(preprocessing.size),
            transforms.ToTensor(),
            transforms.Normalize(preprocessing.mean, preprocessing.std),
        ]
    )


# The fixed chain against torchvision's transforms


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("crop", ["center", "squash"])
def test_the_chain_equals_torchvisions_bit_for_bit(size, interpolation, crop):
    preprocessing = Preprocessing(size=31, resize=36, crop=crop, interpolation=interpolation)
    image = noise(*size)
    chain = normalize(
        center_crop(load(encoded(image), preprocessing), preprocessing.size)[None], preprocessing
    )[0]
    assert torch.equal(chain, reference(preprocessing)(image))


def test_grey_images_take_the_same_way():
    preprocessing = Preprocessing(size=31, resize=37, mean=(0.5,), std=(0.25,))
    image = noise(97, 61, "L")
    chain = normalize(
        center_crop(load(encoded(image), preprocessing), preprocessing.size)[None], preprocessing
    )[0]
    assert chain.shape == (1, 31, 31)
    assert torch.equal(chain, reference(preprocessing)(image))


@pytest.mark.parametrize("channels", [1, 3])
def test_load_opens_then_resizes_as_torchvision_does(channels):
    preprocessing = Preprocessing(size=20, resize=25, mean=(0.5,) * channels, std=(0.5,) * channels)
    data = encoded(noise(50, 41), "JPEG")
    resized = transforms.Resize(preprocessing.resize)(open_image(data, channels))
    assert torch.equal(load(data, preprocessing), pixels(resized))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("side", [30, 31, 64])
def test_center_crop_equals_torchvisions_also_where_it_pads(size, side):
    image = noise(*size)
    assert torch.equal(center_crop(pixels(image), side), pixels(transforms.CenterCrop(side)(image)))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_normalize_keeps_the_memory_order_and_its_input(layout):
    images = torch.arange(2 * 3 * 16 * 16).remainder(256).to(torch.uint8).view(2, 3, 16, 16)
    images = images.contiguous(memory_format=layout)
    before = images.clone()
    preprocessing = Preprocessing()
    result = normalize(images, preprocessing)
    assert result.dtype == torch.float32
    assert result.is_contiguous(memory_format=layout)
    assert torch.equal(images, before)
    values = images.numpy().astype(np.float32) / np.float32(255)
    mean, std = (
        np.array(v, np.float32).reshape(3, 1, 1) for v in (preprocessing.mean, preprocessing.std)
    )
    assert np.array_equal(result.numpy(), (values - mean) / std)


def test_normalize_after_inference_mode_may_be_differentiated():
    preprocessing = Preprocessing(mean=(0.1, 0.2, 0.3))
    images = torch.zeros(1, 3, 2, 2, dtype=torch.uint8)
    with torch.inference_mode():
        normalize(images, preprocessing)
    weight = torch.ones(1, requires_grad=True)
    (normalize(images, preprocessing) * weight).sum().backward()
    assert weight.grad is not None


def test_normalize_refuses_what_it_would_get_wrong():
    preprocessing = Preprocessing()
    with pytest.raises(ValueError, match="must be uint8 of 3 channels"):
        normalize(torch.zeros(1, 3, 2, 2), preprocessing)
    with pytest.raises(ValueError, match="must be uint8 of 3 channels"):
        normalize(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), preprocessing)


# What can be read


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
    if not features.check(codec):
        pytest.skip(f"this Pillow comes without {codec}")
    image = Image.linear_gradient("L").resize((40, 30)).convert("RGB")
    difference = decode(encoded(image, kind, **options)).int() - pixels(image).int()
    assert difference.abs().max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_exif_says(orientation):
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


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_opened_image_is_turned_once(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    preprocessing, data = Preprocessing(size=24, resize=28), encoded(noise(61, 40), kind, exif=exif)
    with Image.open(io.BytesIO(data)) as image:  # its pixels are not loaded yet
        assert torch.equal(load_opened(image, preprocessing), load(data, preprocessing))
        assert torch.equal(
            load_opened(image, preprocessing), load(data, preprocessing)
        )  # and now they are


@pytest.mark.parametrize(
    "block", [b"Exif\0\0garbage!", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"]
)
def test_a_damaged_exif_block_does_not_spoil_a_image(block):
    image = noise(7, 5)
    assert torch.equal(decode(encoded(image, "PNG", exif=block)), pixels(image))


def test_an_orientation_that_does_not_exist_is_upright():
    exif = Image.Exif()
    exif[0x0112] = 77
    image = noise(7, 5)
    assert torch.equal(decode(encoded(image, exif=exif)), pixels(image))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_on_white(mode, channels):
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


# What cannot be read


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
        (b"\0\0\0\x18ftypheic\0\0\0\0", "convert it to JPEG"),
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


@pytest.mark.parametrize("call", [decode, lambda data: loaded_shape(data, Preprocessing())])
def test_too_little_memory_is_no_fault_of_a_image(monkeypatch, call):
    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr(Image, "open", full)
    with pytest.raises(MemoryError):
        call(encoded(noise(4, 4)))


def test_a_image_too_thin_to_resize_is_an_error():
    with pytest.raises(DataError, match="20000 × 1 pixels: too long and thin"):
        load(encoded(Image.new("RGB", (20_000, 1))), Preprocessing())


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


def test_struct_is_no_way_out():
    """A TIFF whose directory ends early makes Pillow raise struct.error or SyntaxError."""
    with pytest.raises(DataError):
        decode(struct.pack("<2sHI", b"II", 42, 8) + b"\x05\0")
