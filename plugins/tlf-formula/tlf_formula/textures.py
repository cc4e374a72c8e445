"""Surfaces: noise of different spectra, tilings, gratings, cells. Grey, (H, W), from 0 to 1."""

from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Pixels = NDArray[np.float32]

POOL_SIZE = 48


def grey(values: NDArray[np.floating]) -> Pixels:
    """Cut values off below 0 and above 1.

    >>> grey(np.array([-1.0, 0.5, 2.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return np.asarray(np.clip(values, 0, 1), dtype=np.float32)


@lru_cache(maxsize=8)
def _frequencies(size: int) -> tuple[Pixels, Pixels]:
    """Frequencies down and across of a real Fourier transform, in waves per frame."""
    down, across = np.fft.fftfreq(size) * size, np.fft.rfftfreq(size) * size
    return down[:, None].astype(np.float32), across[None, :].astype(np.float32)


def _filtered(rng: Generator, size: int, gain: NDArray[np.floating]) -> Pixels:
    """White noise whose spectrum is multiplied by ``gain``, with mean 0 and deviation 1."""
    spectrum = np.fft.rfft2(rng.standard_normal((size, size), dtype=np.float32))
    values = np.fft.irfft2(spectrum * gain, s=(size, size))
    return np.asarray((values - values.mean()) / (values.std() + 1e-9), dtype=np.float32)


def power_noise(rng: Generator, size: int, power: float, stretch: float = 1.0) -> Pixels:
    """Noise that falls with frequency to ``-power``, drawn out in one direction."""
    down, across = _frequencies(size)
    turn = rng.uniform(0, np.pi)
    along = across * np.cos(turn) + down * np.sin(turn)
    aside = down * np.cos(turn) - across * np.sin(turn)
    radius = np.sqrt((along * stretch) ** 2 + aside**2) + 1.0
    values = _filtered(rng, size, radius**-power)
    return grey(values * 0.22 + 0.5)


def band_noise(rng: Generator, size: int, waves: float, threshold: float, sharp: float) -> Pixels:
    """Noise of one wavelength, thresholded: a labyrinth at 0, spots above, as reaction-diffusion.

    Source: A. Turing, 1952, The chemical basis of morphogenesis, for the patterns; the shortcut by
    a band of noise is the common one.
    """
    down, across = _frequencies(size)
    waves = waves * rng.uniform(0.8, 1.25)
    radius = np.sqrt(down**2 + across**2)
    values = _filtered(rng, size, np.exp(-(((radius - waves) / (0.12 * waves)) ** 2)))
    return grey(1 / (1 + np.exp(-(values - threshold) * sharp)))


def _grid(rng: Generator, size: int) -> tuple[Pixels, Pixels]:
    """Coordinates (H, W) from -1 to 1 on a turned, sheared plane that is seen from aside."""
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    x, y = np.meshgrid(ramp, ramp)
    turn, shear = rng.uniform(0, 2 * np.pi), rng.uniform(-0.2, 0.2)
    depth = 1 + rng.uniform(-0.25, 0.25) * x + rng.uniform(-0.25, 0.25) * y
    u = (x * np.cos(turn) - y * np.sin(turn)) / depth
    v = (x * np.sin(turn) + y * np.cos(turn)) / depth
    bend = rng.uniform(0, 0.06) * np.sin(3 * u + rng.uniform(0, 6))
    shift_u, shift_v = rng.uniform(-1, 1, 2)
    return (u + shear * v + shift_u).astype(np.float32), (v + bend + shift_v).astype(np.float32)


def _soft(values: NDArray[np.floating], edge: float = 0.08) -> Pixels:
    """0 below zero, 1 above, with a soft edge.

    >>> _soft(np.array([-1.0, 0.0, 1.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return grey(values / (2 * edge) + 0.5)


def grating(rng: Generator, size: int, waves: float, wavy: float = 0.0) -> Pixels:
    """Parallel bars, straight or wavy."""
    u, v = _grid(rng, size)
    waves = waves * rng.uniform(0.8, 1.2)
    phase = u * waves * np.pi + wavy * np.sin(v * waves * 1.2)
    return _soft(np.sin(phase) + rng.uniform(-0.3, 0.3), rng.uniform(0.1, 0.7))


def zigzag_bars(rng: Generator, size: int, waves: float) -> Pixels:
    """Bars that turn sharply back and forth."""
    u, v = _grid(rng, size)
    waves = waves * rng.uniform(0.8, 1.2)
    fold = np.abs((v * waves * 0.5) % 2 - 1) * 2
    return _soft(np.sin((u * waves + fold) * np.pi), 0.3)


def checkers(rng: Generator, size: int, waves: float) -> Pixels:
    """A chess board."""
    u, v = _grid(rng, size)
    waves = waves * rng.uniform(0.8, 1.2)
    return _soft(np.sin(u * waves * np.pi) * np.sin(v * waves * np.pi), 0.15)


def bricks(rng: Generator, size: int, rows: float) -> Pixels:
    """Bricks in mortar, every other row moved by half."""
    u, v = _grid(rng, size)
    rows = rows * rng.uniform(0.8, 1.2)
    row = np.floor(v * rows)
    across = (u * rows * 0.5 + 0.5 * (row % 2)) % 1
    inside = np.minimum(
        np.minimum(across, 1 - across) * 2, np.minimum(v * rows % 1, 1 - v * rows % 1)
    )
    return _soft(inside - 0.12, 0.05)


def hexagons(rng: Generator, size: int, waves: float, gap: float) -> Pixels:
    """Honeycomb at a small ``gap``, round dots in the same order at a large one."""
    u, v = _grid(rng, size)
    waves = waves * rng.uniform(0.8, 1.2) * np.pi
    rays = [
        np.cos(waves * (u * np.cos(a) + v * np.sin(a))) for a in (0, 2 * np.pi / 3, 4 * np.pi / 3)
    ]
    return _soft(rays[0] + rays[1] + rays[2] - gap, 0.25)


def dots(rng: Generator, size: int, waves: float, radius: float) -> Pixels:
    """Round dots in rows and columns; rings where ``radius`` is negative."""
    u, v = _grid(rng, size)
    waves = waves * rng.uniform(0.8, 1.2)
    distance = np.hypot(u * waves % 1 - 0.5, v * waves % 1 - 0.5)
    inside = radius - distance if radius > 0 else 0.09 - np.abs(distance + radius)
    return _soft(inside, 0.05)


def scales(rng: Generator, size: int, rows: float) -> Pixels:
    """Overlapping round scales."""
    u, v = _grid(rng, size)
    rows = rows * rng.uniform(0.8, 1.2)
    row = np.floor(v * rows)
    across = (u * rows + 0.5 * (row % 2)) % 1 - 0.5
    return grey(np.abs(np.hypot(across, v * rows % 1) - 0.55) ** 0.5 * 1.3)


def weave(rng: Generator, size: int, waves: float) -> Pixels:
    """Bands that go over and under each other."""
    u, v = _grid(rng, size)
    waves = waves * rng.uniform(0.8, 1.2)
    over = (np.floor(u * waves) + np.floor(v * waves)) % 2
    height_u, height_v = np.abs(np.sin(u * waves * np.pi)), np.abs(np.sin(v * waves * np.pi))
    return grey(np.where(over > 0, height_u, height_v * 0.6))


def circles(rng: Generator, size: int, waves: float, arms: float = 0.0) -> Pixels:
    """Rings around one point, bent into spirals by ``arms``; rays at ``waves = 0``."""
    u, v = _grid(rng, size)
    u, v = u - u.mean() * rng.uniform(0.6, 1.4), v - v.mean() * rng.uniform(0.6, 1.4)
    phase = np.hypot(u, v) * waves * rng.uniform(0.8, 1.2) * np.pi + arms * np.arctan2(v, u)
    return _soft(np.sin(phase), rng.uniform(0.1, 0.7))


def rings_of_wood(rng: Generator, size: int, waves: float) -> Pixels:
    """Grain of sawn wood: contour lines of smooth noise."""
    height = power_noise(rng, size, 2.6, 4.0)
    return _soft(np.sin(height * waves * rng.uniform(0.8, 1.2) * 2 * np.pi), 0.5)


def net(rng: Generator, size: int, waves: float, angle: float) -> Pixels:
    """Two families of thin lines that cross at ``angle``."""
    u, v = _grid(rng, size)
    waves = waves * rng.uniform(0.8, 1.2) * np.pi
    other = u * np.cos(angle) + v * np.sin(angle)
    nearest = np.minimum(np.abs(np.sin(u * waves)), np.abs(np.sin(other * waves)))
    return _soft(nearest - 0.22, 0.1)


def cells(rng: Generator, size: int, count: int, kind: str) -> Pixels:
    """Cells around scattered points: their ``walls``, flat ``panes``, or round ``stones``.

    Source: S. Worley, 1996, A cellular texture basis function.
    """
    coarse = max(size // 2, 8)
    ramp = (np.arange(coarse, dtype=np.float32) + 0.5) / coarse
    centers = rng.uniform(-0.1, 1.1, (int(count * rng.uniform(0.8, 1.25)), 2)).astype(np.float32)
    squared = (ramp[:, None, None] - centers[:, 0]) ** 2 + (
        ramp[None, :, None] - centers[:, 1]
    ) ** 2
    nearest = squared.argmin(axis=2)
    if kind == "panes":
        return _double(rng.random(len(centers), dtype=np.float32)[nearest], size)
    two = np.sqrt(np.partition(squared, 1, axis=2)[..., :2]) * np.sqrt(len(centers))
    if kind == "walls":
        return _soft(_double(two[..., 1] - two[..., 0], size) - 0.12, 0.08)
    return grey(1.1 - _double(two[..., 0], size) * 1.3)


def _double(values: NDArray[np.floating], size: int) -> Pixels:
    """Twice the size, smoothly."""
    from PIL import Image

    grown = Image.fromarray(values.astype(np.float32)).resize(
        (size, size), Image.Resampling.BILINEAR
    )
    return np.asarray(grown, dtype=np.float32)


def strokes(rng: Generator, size: int, count: int, spread: float) -> Pixels:
    """Many thin strokes: fur and grass at a small ``spread`` of directions, felt at a large one."""
    from PIL import Image, ImageDraw

    layer = Image.new("L", (size * 2, size * 2), 110)
    pen = ImageDraw.Draw(layer)
    start = rng.uniform(-0.1, 1.1, (count, 2)) * size * 2
    angle = rng.uniform(0, 2 * np.pi) + rng.uniform(-spread, spread, count)
    length = rng.uniform(0.06, 0.2, count) * size * 2
    end = start + length[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    for line, ink in zip(
        np.hstack([start, end]).tolist(), rng.integers(0, 256, count), strict=True
    ):
        pen.line(line, fill=int(ink), width=2)
    return grey(np.asarray(layer.reduce(2)) / 255)


@lru_cache(maxsize=2)
def texture_pool(seed: int, size: int) -> Pixels:
    """Textures (N, 2 × size, 2 × size) that backgrounds are cut out of, drawn once in a process."""
    return np.stack(
        [_background(np.random.default_rng([seed, 77, n]), size * 2, n) for n in range(POOL_SIZE)]
    )


def _background(rng: Generator, size: int, n: int) -> Pixels:
    match n % 8:
        case 0 | 1:
            return power_noise(rng, size, rng.uniform(0.6, 1.1))
        case 2:
            return power_noise(rng, size, rng.uniform(1.6, 2.4))
        case 3:
            return power_noise(rng, size, rng.uniform(0.9, 1.6), rng.uniform(3, 8))
        case 4:
            return cells(
                rng, size, int(rng.integers(40, 250)), ("stones", "panes", "walls")[n // 8 % 3]
            )
        case 5:
            return strokes(rng, size, int(rng.integers(300, 1500)), rng.uniform(0.1, 1.5))
        case 6:
            return band_noise(rng, size, rng.uniform(10, 40), rng.uniform(-1, 1), rng.uniform(1, 3))
        case _:
            return grey(0.5 + power_noise(rng, size, 2.8) * 0.3)
