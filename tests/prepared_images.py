"""Images of unusual sizes, and how far from Pillow's pixels something prepares them."""

import numpy as np
import torch
from PIL import Image

from tlf.data.transforms import center_crop, load_opened, normalize
from tlf.preprocessing import Preprocessing

SIDES = [(1, 1), (1, 150), (90, 1), (2, 2), (32, 32), (35, 35), (47, 31), (40, 61), (200, 150)]
"""Heights and widths: tiny, long, of the very size, and usual ones."""

HOW = {
    "bilinear": Preprocessing(size=32, resize=35),
    "bicubic": Preprocessing(size=32, resize=36, interpolation="bicubic"),
    "squash": Preprocessing(size=32, resize=32, crop="squash"),
    "grey": Preprocessing(size=32, resize=35, mean=(0.5,), std=(0.2,)),
    "5 channels": Preprocessing(size=32, resize=35, mean=(0.5,) * 5, std=(0.2, 1e-6, 3, 1, 1)),
    "16 bits": Preprocessing(size=32, resize=35, depth=16, mean=(-0.5, 0.5), std=(0.2, 0.3)),
}


def image(how, height, width):
    """A smooth image (H, W, C) with noise."""
    random = np.random.default_rng(height * width)
    coarse = random.integers(0, 256, (height // 8 + 2, width // 8 + 2, how.channels), np.uint8)
    planes = [
        np.asarray(Image.fromarray(coarse[..., channel]).resize((width, height), 3), np.int64)
        for channel in range(how.channels)
    ]
    values = np.stack(planes, 2) + random.integers(-4, 5, (height, width, how.channels))
    if how.depth == 16:
        return (values.clip(0, 255) * 257).astype(np.uint16)
    return values.clip(0, 255).astype(np.uint8)


def levels(prepare, how, height, width):
    """By how many grey levels each value differs from Pillow's (C, S, S)."""
    pixels = image(how, height, width)
    given = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    expected = normalize(center_crop(load_opened(given, how), how.size)[None], how)
    found = prepare(torch.from_numpy(pixels))
    assert (found.shape, found.dtype) == (expected.shape, torch.float32)
    return ((found - expected) * torch.tensor(how.std).view(-1, 1, 1) * how.largest).abs().round()


def check_levels(prepare, how):
    """Values may be a grey level off, and only few of them; but Pillow 13 resizes the height first,
    where it shrinks and the width does not, and so rounds other values.
    """
    for height, width in SIDES:
        apart = levels(prepare, how, height, width)
        assert apart.max() <= 1, (height, width)
        few = 0.25 if how.crop == "squash" else 0.05
        assert (apart > 0).float().mean() < few, (height, width)
