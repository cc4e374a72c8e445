"""One image of the starter set: a ground, what lies about, an insect or two, and a camera.

An image depends on its split, class and number only, and on nothing drawn before it.
"""

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator, default_rng

from tlf.builtin.starter.clutter import over, under
from tlf.builtin.starter.grounds import ground
from tlf.builtin.starter.insects import INSECTS, Coat, coat
from tlf.builtin.starter.paint import Light, cast_shadow, paint
from tlf.builtin.starter.parts import Floats, Part, extent, turn

if TYPE_CHECKING:
    from PIL.Image import Image

_FINE = 2
"""Images are drawn this much larger and then reduced, which smooths every edge."""
_CONTRAST = 36.0
"""An insect and its ground differ by at least this much in brightness, of 255."""


@dataclass(frozen=True)
class _Frame:
    """The image that is being drawn, and the light in it."""

    canvas: "Image"
    light: Light
    rng: Generator


def portrait(split: str, name: str, number: int) -> bytes:
    """Draw image ``number`` of the class ``name``: a JPEG file's bytes."""
    # The letters are the seed: the same on every machine, which hash() is not.
    rng = default_rng([number, *f"{split}/{name}".encode()])
    frame = _Frame(ground(rng, _size(rng)), _light(rng), rng)
    _put(frame, under(rng, frame.canvas.size), rng.uniform(1, 5))
    for _ in range(2 if rng.random() < 0.08 else 1):
        look = _visible_coat(rng, frame.canvas)
        insect = _posed(rng, INSECTS[name](rng, look), frame.canvas.size)
        _put(frame, [insect], rng.uniform(4, 18))
    _put(frame, over(rng, frame.canvas.size), rng.uniform(5, 20))
    return _photographed(rng, frame.canvas)


def _size(rng: Generator) -> tuple[int, int]:
    short = int(rng.integers(120, 261))
    long = int(short * rng.choice([1.0, 1.25, 4 / 3, 1.5]))
    sides = (long, short) if rng.random() < 0.6 else (short, long)
    return sides[0] * _FINE, sides[1] * _FINE


def _light(rng: Generator) -> Light:
    flat = rng.normal(0, 0.6, 2)
    direction = np.array([flat[0], flat[1], rng.uniform(0.6, 1.2)])
    direction = direction / np.sqrt((direction**2).sum())
    return Light(direction, rng.uniform(0.3, 0.65), rng.uniform(0.15, 0.7), rng.uniform(3, 12))


def _put(frame: _Frame, things: list[list[Part]], height: float) -> None:
    """Paint things, each a list of parts, with their shadows ``height`` pixels below them."""
    if things:
        cast_shadow(frame.canvas, [p for thing in things for p in thing], frame.light, height)
    for thing in things:
        paint(frame.canvas, thing, frame.light, frame.rng)


def _visible_coat(rng: Generator, canvas: "Image") -> Coat:
    """Colors that can be told from the ground, if ten tries find any."""
    grey = canvas.resize((1, 1)).convert("L").getpixel((0, 0))
    assert isinstance(grey, int)
    look = coat(rng)
    for _ in range(10):
        red, green, blue = look.body.base
        # Shading takes about a third of a surface's brightness away.
        if abs(0.7 * (0.3 * red + 0.59 * green + 0.11 * blue) - grey) > _CONTRAST:
            break
        look = coat(rng)
    return look


def _view(rng: Generator) -> Floats:
    """How the camera looks at the insect: from above, from the side or between, turned any way."""
    tilt = rng.normal(0, 0.3) if rng.random() < 0.6 else rng.choice([-1, 1]) * rng.uniform(0.5, 1.4)
    seen = turn(0, rng.normal(0, 0.25), tilt)
    # The camera's y points down.
    view: Floats = turn(rng.uniform(0, 2 * np.pi)) @ np.diag([1.0, -1.0, 1.0]) @ seen
    return view


def _posed(rng: Generator, insect: list[Part], size: tuple[int, int]) -> list[Part]:
    """Turn, scale and place an insect so that it fills 55 to 95 % of the shorter side."""
    view = _view(rng)
    seen = [part.moved(view, np.zeros(3)) for part in insect]
    low, high = extent(seen)
    span = min(size) * rng.uniform(0.55, 0.95)
    scale = span / float((high - low).max())
    free = np.array(size) - (high - low) * scale
    # Now and then an insect walks out of the image.
    play = 0.55 if rng.random() < 0.08 else 0.2
    middle = np.array(size) / 2 + np.maximum(free, 0.25 * span) * rng.uniform(-play, play, 2)
    at = middle - (low + high) / 2 * scale
    shift = np.array([at[0], at[1], 0.0])
    return [part.moved(np.eye(3) * scale, shift) for part in seen]


def _photographed(rng: Generator, canvas: "Image") -> bytes:
    """What a camera makes of it: focus, shake, tinted light, contrast, grain, JPEG."""
    from PIL import Image, ImageFilter

    image = canvas.reduce(_FINE)
    blur = float(rng.choice([0.0, 0.0, 0.4, 0.7, 1.0]))
    image = image.filter(ImageFilter.GaussianBlur(blur)) if blur else image
    if rng.random() < 0.15:
        image = _shaken(rng, image)
    tint = rng.normal(1.0, 0.08, 3) * rng.uniform(0.75, 1.2)
    contrast = rng.uniform(0.8, 1.15)
    middle = rng.uniform(100, 140)
    grain = rng.integers(-128, 128, (image.height, image.width, 3), dtype=np.int8)
    pixels = np.asarray(image).astype(np.float32) * tint.astype(np.float32)
    pixels = (pixels - np.float32(middle)) * np.float32(contrast) + np.float32(middle)
    pixels = pixels + grain * np.float32(rng.uniform(0.0, 0.1))
    file = BytesIO()
    quality = int(rng.integers(55, 93))
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return file.getvalue()


def _shaken(rng: Generator, image: "Image") -> "Image":
    """Four exposures of one image, each moved a little further."""
    from PIL import Image, ImageChops

    dx, dy = (int(d) for d in rng.integers(-1, 2, 2))
    result = image
    for k in range(1, 4):
        result = Image.blend(result, ImageChops.offset(image, k * dx, k * dy), 1 / (k + 1))
    return result
