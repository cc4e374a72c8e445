"""Resizing, cropping and normalizing, bit for bit as torchvision does them."""

import io
import tracemalloc

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile
from torchvision import transforms

from image_files import LATE, TURNING, encoded, noise, rotated, xmp
from tlf.data.decoding.decode import open_image
from tlf.data.transforms import (
    center_crop,
    full_pixels,
    full_shape,
    load,
    load_full,
    load_opened,
    loaded_shape,
    mirrored,
    normalize,
)
from tlf.errors import DataError
from tlf.preprocessing import Preprocessing

OF = {3: Preprocessing(), 1: Preprocessing(mean=(0.5,), std=(0.2,))}

SIZES = [(97, 61), (61, 97), (64, 64), (33, 200), (500, 333), (31, 29), (1, 7)]


def pixels(image):
    return transforms.functional.pil_to_tensor(image)


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


@pytest.mark.parametrize("call", [open_image, lambda data: loaded_shape(data, Preprocessing())])
def test_too_little_memory_is_no_fault_of_an_image(monkeypatch, call):
    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr(Image, "open", full)
    with pytest.raises(MemoryError):
        call(encoded(noise(4, 4)))


def test_an_image_too_thin_to_resize_is_an_error():
    with pytest.raises(DataError, match="20000 × 1 pixels: too long and thin"):
        load(encoded(Image.new("RGB", (20_000, 1))), Preprocessing())


FILES = {
    **{f"{form} turned {turn}": rotated(turn, form) for form in TURNING for turn in range(1, 9)},
    **{
        f"compressed TIFF turned {turn}": rotated(turn, "TIFF", compression="tiff_lzw")
        for turn in range(1, 9)
    },
    "TIFF turned by XMP": encoded(noise(61, 40), "TIFF", tiffinfo={700: xmp(6)}),
    "EXIF of nonsense": rotated(77),
    "TIFF of nonsense": rotated(77, "TIFF"),
    "PNG": encoded(Image.new("RGB", (37, 90)), "PNG"),
    "PNG with alpha": encoded(Image.new("RGBA", (90, 37)), "PNG"),
    "GIF": encoded(Image.new("P", (50, 51)), "GIF"),
    "grey JPEG": encoded(Image.new("L", (45, 80)), "JPEG"),
    "grey PNG of 16 bits": encoded(Image.fromarray(np.zeros((33, 70), np.uint16)), "PNG"),
    "one pixel": encoded(Image.new("1", (1, 1)), "PNG"),
    "CMYK": encoded(Image.new("CMYK", (70, 31)), "JPEG"),
    "WebP": encoded(Image.new("RGB", (31, 32)), "WEBP"),
}


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
@pytest.mark.parametrize("crop", ["center", "squash"])
@pytest.mark.parametrize("mean", [(0.5, 0.5, 0.5), (0.5,)], ids=["colour", "grey"])
def test_the_shape_is_known_before_an_image_is_decoded(data, crop, mean):
    preprocessing = Preprocessing(size=24, resize=28, crop=crop, mean=mean, std=mean)
    assert loaded_shape(data, preprocessing) == tuple(load(data, preprocessing).shape)


@pytest.mark.parametrize("data", LATE.values(), ids=LATE)
def test_a_png_may_say_after_its_pixels_which_way_is_up(data):
    preprocessing = Preprocessing(size=24, resize=28)
    assert (
        loaded_shape(data, preprocessing) == tuple(load(data, preprocessing).shape) == (3, 42, 28)
    )


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_nothing_is_decoded_to_know_a_shape(monkeypatch, form):
    data = encoded(noise(61, 40), form)

    def refuse(*_):
        raise AssertionError("it is decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", refuse)
    assert loaded_shape(data, Preprocessing(size=24, resize=28)) == (3, 28, 42)


def test_no_image_has_no_shape():
    with pytest.raises(DataError):
        loaded_shape(b"no image", Preprocessing())


def test_an_image_too_thin_has_no_shape():
    thin = encoded(Image.new("RGB", (1, 65_000)), "PNG")
    with pytest.raises(DataError, match="1 × 65000 pixels: too long and thin"):
        loaded_shape(thin, Preprocessing())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_at_full_resolution_nothing_is_resized(size, channels):
    data = encoded(noise(*size), "JPEG")
    image = load_full(data, OF[channels])
    assert image.dtype == torch.uint8
    assert torch.equal(image, pixels(open_image(data, channels)))
    assert full_pixels(data, OF[channels]).shape == full_shape(data, OF[channels])
    assert full_shape(data, OF[channels]) == (size[1], size[0], channels)
    assert image.permute(1, 2, 0).is_contiguous()
    image.zero_()  # it may be changed


@pytest.mark.parametrize("kind", TURNING)
def test_at_full_resolution_images_are_upright(kind):
    for turn in range(1, 9):
        data = rotated(turn, kind)
        assert torch.equal(load_full(data, OF[3]), pixels(open_image(data)))
        assert full_shape(data, OF[3]) == full_pixels(data, OF[3]).shape


def test_at_full_resolution_unreadable_images_are_reported():
    with pytest.raises(DataError, match="the file is empty"):
        load_full(b"", OF[3])
    with pytest.raises(DataError):
        full_shape(b"no image", OF[3])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(700, 400), (3, 100_000), (300_000, 2)])
def test_large_images_at_full_resolution_are_whole(size, channels):
    image = noise(*size)
    found = load_full(encoded(image), OF[channels])
    assert torch.equal(found, pixels(image if channels == 3 else image.convert("L")))


def test_images_at_full_resolution_are_held_once_beside_pillows_own():
    data = encoded(noise(1500, 1000), "JPEG")
    load_full(data, OF[3])  # imports
    tracemalloc.start()
    image = load_full(data, OF[3])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert image.numel() <= peak < 1.5 * image.numel()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_left_and_right_are_exchanged(dtype):
    image = torch.tensor([[[0, 1, 255], [3, 4, 5]]]) * (257 if dtype == torch.uint16 else 1)
    assert mirrored(image.to(dtype)).equal(image[..., [2, 1, 0]].to(dtype))
