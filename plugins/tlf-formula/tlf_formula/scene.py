"""A figure in front of a background: from parts in figure units to one small image.

Whatever a class looks like, every image of it has its own place, size, turn, tilt, colors,
ground, clutter, light, blur and noise, so that only shape and surface tell the classes apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from tlf_formula.textures import texture_pool

Points = NDArray[np.float64]
Pixels = NDArray[np.float32]

OVERSAMPLING = 2


@dataclass(frozen=True)
class Part:
    """One filled outline, one line, or a cloud of dots."""

    points: Points
    """(N, 2), in figure units: the scene centres the figure and scales it to the frame."""
    kind: Literal["fill", "line", "dots"] = "fill"
    width: float = 0.05
    """Of a line, in figure units."""
    tone: int = 0
    """Which color of the image's palette."""
    opacity: float = 1.0


@dataclass(frozen=True)
class Figure:
    """Parts from back to front."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Surface:
    """A grey image (H, W) from 0 to 1 that covers the frame, or a part of it."""

    values: Pixels


def draw_scene(subject: Figure | Surface, rng: Generator, size: int, pool_seed: int) -> Image.Image:
    """Draw one image of ``subject``, ``size`` × ``size`` pixels.

    Parameters:
        subject: what the class looks like.
        rng: decides everything else.
        size: side of the image in pixels.
        pool_seed: which pool of background textures to take from.
    """
    pool = texture_pool(pool_seed, size)
    palette = _palette(rng)
    ground = _ground(rng, pool, palette[-2:])
    _strew(ground, rng, int(rng.integers(0, 26)), largest=0.16)
    if isinstance(subject, Surface):
        _cover(ground, subject.values, rng, palette)
    else:
        _place(ground, subject, rng, pool, palette)
    if rng.random() < 0.4:
        _strew(ground, rng, int(rng.integers(1, 6)), largest=0.1)
    return _photograph(ground, rng)


def _palette(rng: Generator) -> Pixels:
    """Six colors (6, 3) from 0 to 255: four of the figure and two of the ground.

    The figure's first color is kept away from the ground's, or nothing could be seen.
    """
    palette = rng.uniform(10, 245, (6, 3))
    grey = palette.mean(axis=1, keepdims=True)
    palette = grey + (palette - grey) * rng.uniform(0.0, 1.2)
    palette[5] += (palette[4] - palette[5]) * rng.uniform(0, 0.8)
    ground = palette[4:].mean(axis=0)
    _part_from(palette, 0, ground, rng)
    _part_from(palette, 1, palette[0], rng)
    _part_from(palette, 2, ground, rng)
    return np.asarray(np.clip(palette, 0, 255), dtype=np.float32)


def _part_from(palette: Points, tone: int, other: Points, rng: Generator) -> None:
    """Make a color lighter or darker, in place, where it is too close to another."""
    if np.linalg.norm(palette[tone] - other) < 90:
        away = 200 if other.mean() < 128 else -200
        palette[tone] = other + away * rng.uniform(0.35, 0.6)


def _ground(rng: Generator, pool: Pixels, colors: Pixels) -> Pixels:
    """A textured background (H, W, 3) between two colors."""
    first, second = pool[rng.integers(len(pool), size=2)]
    size = pool.shape[1] // 2
    mixed = _window(first, rng, size) * rng.uniform(0.3, 1) + _window(second, rng, size) * 0.4
    return np.asarray(colors[0] + mixed[..., None] * (colors[1] - colors[0]), dtype=np.float32)


def _window(texture: Pixels, rng: Generator, size: int) -> Pixels:
    """A window of a texture, turned by a random quarter and mirrored at random."""
    top, left = rng.integers(0, texture.shape[0] - size, 2)
    window: Pixels = np.rot90(texture[top : top + size, left : left + size], int(rng.integers(4)))
    return window[:, ::-1] if rng.random() < 0.5 else window


def _strew(ground: Pixels, rng: Generator, count: int, largest: float) -> None:
    """Strew small strokes and pebbles over an image (H, W, 3), in place."""
    if not count:
        return
    size = len(ground) * OVERSAMPLING
    layer = Image.new("RGBA", (size, size))
    pen = ImageDraw.Draw(layer)
    colors = [_rgba(c) for c in rng.uniform(0, 255, (4, 3)) * 0.6 + ground[::40, ::40].mean() * 0.4]
    grasslike = rng.random() < 0.5
    heading = rng.uniform(0, np.pi)
    for x, y, length, turn in rng.random((count, 4)) * (size, size, largest * size, 1):
        color = colors[int(turn * 4)]
        if grasslike:
            angle = heading + turn * 1.2
            end = (x + 2 * length * np.cos(angle), y + 2 * length * np.sin(angle))
            pen.line((x, y, *end), fill=color, width=1 + int(turn * 5))
        else:
            pen.ellipse((x, y, x + length * 0.6, y + length * (0.3 + 0.4 * turn)), fill=color)
    _lay(ground, layer)


def _rgba(color: Pixels) -> tuple[int, int, int, int]:
    red, green, blue = (int(value) for value in np.clip(color, 0, 255))
    return red, green, blue, 255


def _lay(
    ground: Pixels, layer: Image.Image, opacity: float = 1.0, surface: Pixels | None = None
) -> None:
    """Lay a drawn layer over an image (H, W, 3), in place, lit and grained by ``surface`` (H, W).

    A layer's pixels are opaque or empty, so that their mean over a block, where empty ones are
    black, is a color already weighted by how much of the block is covered.
    """
    drawn = np.asarray(layer.reduce(OVERSAMPLING), dtype=np.float32)
    ground *= 1 - drawn[..., 3:] * np.float32(opacity / 255)
    weight = np.float32(opacity) if surface is None else surface[..., None] * np.float32(opacity)
    ground += drawn[..., :3] * weight


def _cover(ground: Pixels, values: Pixels, rng: Generator, palette: Pixels) -> None:
    """Cover the image, or a round patch of it, with a surface, in place."""
    painted = palette[1] + values[..., None] * (palette[0] - palette[1])
    if rng.random() < 0.5:
        ground[...] = painted
        return
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    waves = np.cos(np.outer([2, 3, 5], angles) + rng.uniform(0, 6, (3, 1)))
    wobble = rng.uniform(-0.08, 0.08, 3) @ waves
    radius = len(ground) * OVERSAMPLING * rng.uniform(0.3, 0.5) * (1 + wobble)
    center = len(ground) * OVERSAMPLING * rng.uniform(0.4, 0.6, 2)
    outline = center + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    mask = Image.new("L", (len(ground) * OVERSAMPLING,) * 2)
    ImageDraw.Draw(mask).polygon(outline.ravel().tolist(), fill=255)
    alpha = np.asarray(mask.reduce(OVERSAMPLING), dtype=np.float32)[..., None] / 255
    ground += alpha * (painted - ground)


def _place(ground: Pixels, figure: Figure, rng: Generator, pool: Pixels, palette: Pixels) -> None:
    """Draw a figure over the image, in place: shadow, then its parts from back to front."""
    placed, scale = _camera(figure.parts, rng, len(ground) * OVERSAMPLING)
    layers = _layers(figure.parts, placed, scale, palette, len(ground) * OVERSAMPLING)
    if rng.random() < 0.4:
        _shade(ground, layers[-1][0], rng)
    grain = _window(pool[rng.integers(len(pool))], rng, len(ground)) - 0.5
    grain *= np.float32(rng.uniform(0, 0.7))
    heading = rng.integers(-3, 4, 2)
    for layer, opacity in layers:
        bulge = _bulge(layer, heading) if opacity == 1 else 0
        _lay(ground, layer, opacity, 1 + grain + bulge)


def _bulge(layer: Image.Image, heading: NDArray[np.int64]) -> Pixels:
    """How much lighter (H, W) a layer is where its edges face the light, if it is round."""
    mask = layer.getchannel("A").reduce(OVERSAMPLING).filter(ImageFilter.BoxBlur(3))
    soft = np.asarray(mask, dtype=np.float32) / np.float32(255)
    return soft - np.roll(soft, tuple(heading.tolist()), (0, 1))


def _shade(ground: Pixels, layer: Image.Image, rng: Generator) -> None:
    """Darken where the figure's shadow falls."""
    mask = layer.getchannel("A").reduce(OVERSAMPLING)
    soft = np.asarray(mask.filter(ImageFilter.BoxBlur(float(rng.uniform(1, 4)))), dtype=np.float32)
    shift = (int(rng.integers(-6, 7)), int(rng.integers(-6, 7)))
    ground *= 1 - np.roll(soft, shift, (0, 1))[..., None] * np.float32(rng.uniform(0.2, 0.6) / 255)


def _camera(parts: Sequence[Part], rng: Generator, size: int) -> tuple[list[Points], float]:
    """Where every point falls on a canvas of ``size`` pixels, and how many pixels a unit has."""
    points = np.concatenate([part.points for part in parts])
    low, high = points.min(axis=0), points.max(axis=0)
    points = points - (low + high) / 2
    reach = float(np.sqrt((points**2).sum(axis=1).max())) or 1.0
    points = _warp(points / reach, rng)
    share = 0.25 + 0.7 * rng.beta(2.2, 1.6)
    seen, stretch = _tilt(points, rng)
    room = size * (1 - share) / 2
    center = size / 2 + rng.uniform(-1, 1, 2) * room * 1.1
    placed = seen * (share * size / 2) + center
    borders = np.cumsum([len(part.points) for part in parts])[:-1]
    return list(np.split(placed, borders)), share * size / 2 / reach * stretch


def _warp(points: Points, rng: Generator) -> Points:
    """Bend a figure softly, as nothing that grew is ever straight."""
    wave = rng.uniform(-2.5, 2.5, (2, 2))
    return points + rng.uniform(0, 0.07) * np.sin(points @ wave + rng.uniform(0, 6.3, 2))


def _tilt(points: Points, rng: Generator) -> tuple[Points, float]:
    """Turn, shear, mirror and look from aside; also how much lengths changed on average."""
    turn = rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(turn), np.sin(turn)
    squash = np.diag([rng.choice([-1.0, 1.0]), rng.uniform(0.72, 1.0)])
    shear = np.array([[1.0, rng.uniform(-0.2, 0.2)], [0.0, 1.0]])
    matrix = np.array([[cos, -sin], [sin, cos]]) @ squash @ shear
    seen = points @ matrix.T
    depth = 1 + seen @ rng.uniform(-0.15, 0.15, 2)
    return seen / depth[:, None], float(np.sqrt(abs(np.linalg.det(matrix))))


def _layers(
    parts: Sequence[Part], placed: Sequence[Points], scale: float, palette: Pixels, size: int
) -> list[tuple[Image.Image, float]]:
    """Draw the parts. Neighbours that are opaque share a layer; a translucent one has its own."""
    layers: list[tuple[Image.Image, float]] = []
    for part, points in zip(parts, placed, strict=True):
        if not layers or part.opacity < 1 or layers[-1][1] < 1:
            layers.append((Image.new("RGBA", (size, size)), part.opacity))
        _ink(ImageDraw.Draw(layers[-1][0]), part, points, scale, _rgba(palette[part.tone]))
    return layers


def _ink(
    pen: ImageDraw.ImageDraw,
    part: Part,
    points: Points,
    scale: float,
    color: tuple[int, int, int, int],
) -> None:
    flat = points.ravel().tolist()
    if part.kind == "dots":
        pen.point(flat, fill=color)
    elif part.kind == "fill":
        pen.polygon(flat, fill=color)
    else:
        width = max(2, round(part.width * scale))
        joint = "curve" if width > 3 and len(points) < 40 else None
        pen.line(flat, fill=color, width=width, joint=joint)


def _photograph(ground: Pixels, rng: Generator) -> Image.Image:
    """Light from one side, then blur and noise of the camera."""
    size = len(ground)
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    across, down = rng.uniform(-0.35, 0.35, 2).astype(np.float32)
    lit = (
        ground
        * (np.float32(rng.uniform(0.8, 1.15)) + across * ramp + down * ramp[:, None])[..., None]
    )
    noise = rng.standard_normal((size, size, 1), dtype=np.float32) * np.float32(rng.exponential(5))
    image = Image.fromarray(np.clip(lit + noise, 0, 255).astype(np.uint8))
    if rng.random() < 0.35:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.3))))
    return image
