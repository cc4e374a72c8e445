"""What the insects sit on: sand, bark, leaf, petals, soil, stones, grass, wood, cloth, open air."""

from collections.abc import Callable
from math import cos, hypot, pi, sin
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator

from tlf.builtin.starter.parts import Color, blend

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw as Pen

FLOWERS: tuple[Color, ...] = (
    (236, 226, 214),
    (228, 160, 186),
    (206, 76, 88),
    (240, 200, 70),
    (150, 110, 190),
    (226, 134, 58),
)
_DETAIL = 0.54
"""Grounds are painted this much smaller than the canvas, which also keeps them softer than what is
on them, and enlarged while they are turned."""


def ground(rng: Generator, size: tuple[int, int]) -> "Image":
    """Paint a ground of ``size`` (W, H), turned to any side and a little out of focus."""
    from PIL import Image, ImageFilter

    side = int(hypot(*size) * _DETAIL) + 2
    image = GROUNDS[rng.integers(len(GROUNDS))](rng, side)
    angle, zoom = rng.uniform(0, 2 * pi), _DETAIL
    a, b = cos(angle) * zoom, sin(angle) * zoom
    x, y = size[0] / 2, size[1] / 2
    to_ground = (a, b, side / 2 - a * x - b * y, -b, a, side / 2 + b * x - a * y)
    blur = float(rng.choice([0.0, 0.6, 1.2, 2.5]))
    image = image.filter(ImageFilter.BoxBlur(blur)) if blur else image
    return image.transform(
        size, Image.Transform.AFFINE, to_ground, Image.Resampling.BILINEAR, fillcolor=(90, 84, 76)
    )


def noise(rng: Generator, side: int, cells: tuple[float, float], octaves: int = 3) -> "Image":
    """Clouds: a gray image with about ``cells`` bright and dark places along x and y."""
    from PIL import Image, ImageOps

    clouds = Image.new("L", (side, side), 128)
    for octave in range(octaves):
        across, down = (min(side, max(2, round(c * 2**octave))) for c in cells)
        grid = rng.integers(0, 256, (down, across), dtype=np.uint8)
        layer = Image.fromarray(grid).resize((side, side), Image.Resampling.BICUBIC)
        clouds = Image.blend(clouds, layer, 1.0 if octave == 0 else 0.38)
    return ImageOps.autocontrast(clouds, cutoff=1)


def _tinted(clouds: "Image", dark: Color, light: Color) -> "Image":
    from PIL import ImageOps

    low, high = (tuple(round(level) for level in color) for color in (dark, light))
    return ImageOps.colorize(clouds, low, high)


def _near(rng: Generator, color: Color, spread: float = 18) -> Color:
    """A color like this one, lighter or darker and a little to one side."""
    lighter = rng.normal(0, spread)
    red, green, blue = (
        min(250.0, max(5.0, level + lighter + rng.normal(0, spread / 3))) for level in color
    )
    return red, green, blue


def _fill(color: Color) -> tuple[int, int, int]:
    red, green, blue = (min(255, max(0, round(level))) for level in color)
    return red, green, blue


def _sand(rng: Generator, side: int) -> "Image":
    from PIL import Image

    grains = Image.blend(noise(rng, side, (6, 6)), noise(rng, side, (side / 3, side / 3), 1), 0.55)
    light = _near(rng, (214, 190, 150), 24)
    return _tinted(grains, blend(light, (70, 50, 34), 0.62), light)


def _bark(rng: Generator, side: int) -> "Image":
    from PIL import Image

    cracks = Image.blend(noise(rng, side, (34, 5)), noise(rng, side, (70, 40), 2), 0.4)
    light = _near(rng, (138, 116, 96), 26)
    return _tinted(cracks, blend(light, (22, 16, 12), 0.8), light)


def _leaf(rng: Generator, side: int) -> "Image":
    from PIL import Image, ImageDraw

    green = _near(rng, (104, 142, 58), 24)
    both = Image.blend(noise(rng, side, (4, 4)), noise(rng, side, (50, 50), 2), 0.3)
    image = _tinted(both, blend(green, (20, 36, 12), 0.45), blend(green, (200, 220, 150), 0.25))
    draw = ImageDraw.Draw(image, "RGBA")
    rib, vein = _fill(blend(green, (226, 234, 180), 0.5)), rng.integers(24, 46)
    x = side * rng.uniform(0.3, 0.7)
    draw.line([(x, 0), (x + side * rng.uniform(-0.1, 0.1), side)], fill=(*rib, 210), width=5)
    slope = rng.uniform(0.4, 0.9)
    for y in range(-side, 2 * side, int(vein)):
        for way in (-1, 1):
            bow = [
                (x + way * side * t, y - side * slope * t * (1 - 0.3 * t))
                for t in (0, 0.3, 0.7, 1.1)
            ]
            draw.line(bow, fill=(*rib, 130), width=2)
    return image


def _petals(rng: Generator, side: int) -> "Image":
    from PIL import ImageDraw

    color = FLOWERS[rng.integers(len(FLOWERS))]
    image = _tinted(noise(rng, side, (3, 3)), (30, 44, 20), _near(rng, (96, 128, 60)))
    draw = ImageDraw.Draw(image, "RGBA")
    cx, cy = (side * rng.uniform(0.1, 0.9) for _ in range(2))
    count = int(rng.integers(6, 15))
    for k in range(count):
        turn = 2 * pi * (k * 7 % count) / count + rng.normal(0, 0.08)
        _petal(draw, rng, (cx, cy), turn, side * rng.uniform(0.5, 0.8), pi / count * 1.25, color)
    r = side * rng.uniform(0.06, 0.16)
    for _ in range(90):
        a, d = rng.uniform(0, 2 * pi), r * rng.random() ** 0.5
        x, y = cx + d * cos(a), cy + d * sin(a)
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=_fill(_near(rng, (190, 140, 50), 30)))
    return image


def _petal(
    draw: "Pen",
    rng: Generator,
    root: tuple[float, float],
    heading: float,
    length: float,
    width: float,
    color: Color,
) -> None:
    hue = _near(rng, color, 10)

    def at(along: float, aside: float) -> tuple[float, float]:
        a = heading + aside * width
        return root[0] + along * length * cos(a), root[1] + along * length * sin(a)

    edge = [(0.0, 0.0), (0.35, 0.75), (0.7, 1.0), (0.92, 0.75), (1.0, 0.2)]
    points = [at(s, t) for s, t in edge] + [at(s, -t) for s, t in reversed(edge)]
    draw.polygon(points, fill=_fill(hue), outline=_fill(blend(hue, (60, 30, 40), 0.35)))
    for aside in (-0.6, -0.3, 0.0, 0.3, 0.6):
        line = [at(0.1, aside * 0.5), at(0.9, aside)]
        draw.line(line, fill=(*_fill(blend(hue, (90, 40, 60), 0.5)), 90), width=2)


def _soil(rng: Generator, side: int) -> "Image":
    from PIL import Image

    crumbs = Image.blend(noise(rng, side, (12, 12), 4), noise(rng, side, (80, 80), 1), 0.4)
    light = _near(rng, (118, 88, 64), 24)
    return _tinted(crumbs, blend(light, (16, 10, 8), 0.8), light)


def _stones(rng: Generator, side: int) -> "Image":
    from PIL import ImageChops, ImageDraw

    light = _near(rng, (152, 146, 138), 24)
    image = _tinted(noise(rng, side, (20, 20)), (24, 22, 20), blend(light, (30, 26, 24), 0.6))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(40, 110))):
        (x, y), r = rng.uniform(0, side, 2), rng.uniform(0.02, 0.1) * side
        flat, hue = rng.uniform(0.6, 1.0), _near(rng, light, 22)
        for k, shade in enumerate((0.55, 0.2, 0.0)):
            q = r * (1 - 0.22 * k)
            box = (x - q - k * 2, y - q * flat - k * 2, x + q - k * 2, y + q * flat - k * 2)
            draw.ellipse(box, fill=_fill(blend(hue, (20, 18, 18), shade)))
    rough = _tinted(noise(rng, side, (60, 60), 2), (150, 150, 150), (255, 255, 255))
    return ImageChops.multiply(image, rough)


def _grass(rng: Generator, side: int) -> "Image":
    from PIL import ImageDraw

    green = _near(rng, (112, 134, 56), 24)
    image = _tinted(noise(rng, side, (8, 8)), (18, 24, 10), blend(green, (20, 30, 10), 0.5))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(50, 130))):
        x, y = rng.uniform(-0.1, 1.1, 2) * side
        tall, lean, wide = side * rng.uniform(0.3, 0.9), rng.normal(0, 0.3), rng.uniform(2, 9)
        tip, knee = (x + tall * lean, y - tall), (x + tall * lean * 0.3, y - tall * 0.55)
        blade = [(x - wide, y), (knee[0] - wide * 0.8, knee[1]), tip]
        blade += [(knee[0] + wide * 0.8, knee[1]), (x + wide, y)]
        draw.polygon(blade, fill=_fill(_near(rng, green, 30)))
    return image


def _wood(rng: Generator, side: int) -> "Image":
    from PIL import Image

    rings = int(rng.integers(4, 9))
    wave = [abs((v * rings) % 256 * 2 - 255) for v in range(256)]
    grain = noise(rng, side, (5, 1.2), 2).point(wave)
    grain = Image.blend(grain, noise(rng, side, (90, 6), 2), 0.55)
    light = _near(rng, (196, 154, 106), 28)
    return _tinted(grain, blend(light, (60, 36, 20), 0.6), light)


def _cloth(rng: Generator, side: int) -> "Image":
    from PIL import Image

    thread = int(rng.integers(3, 7))
    over = np.tri(thread, dtype=np.uint8) * 90 + 80
    tile = np.block([[over, 255 - over.T], [255 - over.T, over]]).astype(np.uint8)
    repeats = side // len(tile) + 1
    weave = Image.fromarray(np.tile(tile, (repeats, repeats))[:side, :side])
    weave = Image.blend(weave, noise(rng, side, (5, 5)), 0.5)
    light = _near(rng, (*FLOWERS, (120, 140, 170), (150, 150, 150))[rng.integers(8)], 20)
    return _tinted(weave, blend(light, (20, 20, 26), 0.55), light)


def _air(rng: Generator, side: int) -> "Image":
    from PIL import Image, ImageDraw, ImageFilter

    colors = (*FLOWERS, (96, 128, 60), (60, 84, 50), (150, 170, 190), (120, 100, 80))
    dark, light = (_near(rng, colors[k], 20) for k in rng.integers(0, len(colors), 2))
    # Far things are soft, so a quarter of the size will do.
    small = side // 4 + 1
    image = _tinted(noise(rng, small, (1.5, 1.5), 1), blend(dark, (20, 24, 20), 0.4), light)
    draw = ImageDraw.Draw(image, "RGBA")
    for _ in range(int(rng.integers(0, 14))):
        (x, y), r = rng.uniform(0, small, 2), rng.uniform(0.03, 0.14) * small
        hue = _fill(_near(rng, colors[rng.integers(len(colors))], 20))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(*hue, 120))
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.6, 1.5)))
    return image.resize((side, side), Image.Resampling.BICUBIC)


GROUNDS: tuple[Callable[[Generator, int], "Image"], ...] = (
    _sand,
    _bark,
    _leaf,
    _petals,
    _soil,
    _stones,
    _grass,
    _wood,
    _cloth,
    _air,
)
