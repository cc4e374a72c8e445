"""What lies about: twigs like legs, striped seeds like abdomens, petals like wings, and leaves.

It is the same for both classes, so that no single part gives a class away.
"""

from math import cos, pi, sin

import numpy as np
from numpy.random import Generator

from tlf.builtin.starter.grounds import FLOWERS
from tlf.builtin.starter.insects import COLORS
from tlf.builtin.starter.parts import Bead, Color, Film, Floats, Limb, Part, Skin, blend, turn

_PLANTS: tuple[Color, ...] = (
    (96, 120, 48),
    (130, 140, 70),
    (112, 84, 52),
    (150, 120, 84),
    (70, 52, 40),
)


def under(rng: Generator, size: tuple[int, int]) -> list[list[Part]]:
    """Things (each a list of parts) that lie on a ground of ``size`` (W, H), below the insects."""
    things = []
    for _ in range(int(rng.integers(0, 5))):
        place = rng.uniform((0.0, 0.0), size)
        kind = (_twig, _stems, _seeds, _petal)[rng.integers(4)]
        things.append(kind(rng, place, min(size)))
    return things


def over(rng: Generator, size: tuple[int, int]) -> list[list[Part]]:
    """Things near the border of an image of ``size`` (W, H) that may hide a bit of the insects."""
    things = []
    for _ in range(int(rng.choice([0, 0, 0, 1, 1, 2]))):
        angle = rng.uniform(0, 2 * pi)
        border = np.array([cos(angle), sin(angle)]) * rng.uniform(0.42, 0.62)
        kind = (_twig, _leaf, _petal, _stems)[rng.integers(4)]
        things.append(kind(rng, (border + 0.5) * np.array(size), min(size)))
    return things


def _walk(rng: Generator, start: Floats, steps: int, step: float, bend: float) -> Floats:
    """Points (steps + 1, 3) of a bent line."""
    heading, points = rng.uniform(0, 2 * pi), [start]
    for _ in range(steps):
        points.append(points[-1] + step * np.array([cos(heading), sin(heading)]))
        heading += rng.normal(0, bend)
    return np.concatenate([np.array(points), np.zeros((steps + 1, 1))], axis=1)


def _twig(rng: Generator, place: Floats, unit: int) -> list[Part]:
    color = _PLANTS[rng.integers(len(_PLANTS))]
    steps, width = int(rng.integers(2, 6)), unit * rng.uniform(0.008, 0.03)
    points = _walk(rng, place, steps, unit * rng.uniform(0.08, 0.22), 0.5)
    widths = tuple(width * (1 - 0.5 * k / steps) for k in range(steps + 1))
    return [Limb(points, widths, color)]


def _stems(rng: Generator, place: Floats, unit: int) -> list[Part]:
    """A few thin jointed stems that leave one place, as legs and antennae do."""
    color = (*_PLANTS, *COLORS)[rng.integers(len(_PLANTS) + len(COLORS))]
    width, step = unit * rng.uniform(0.006, 0.014), unit * rng.uniform(0.06, 0.14)
    count = int(rng.integers(2, 6))
    return [Limb(_walk(rng, place, 3, step, 0.8), (width,) * 4, color) for _ in range(count)]


def _seeds(rng: Generator, place: Floats, unit: int) -> list[Part]:
    """One to three seeds or pebbles in a row, striped or plain."""
    base, band = (COLORS[k] for k in rng.integers(0, len(COLORS), 2))
    size, heading = unit * rng.uniform(0.02, 0.07), rng.uniform(0, 2 * pi)
    rings, count = int(rng.choice([1, 1, 3, 5])), int(rng.choice([1, 1, 2, 3]))
    margin, slim = rng.uniform(-0.5, 0.5) if rings > 1 else -2.0, rng.uniform(0.5, 0.95)
    skin = Skin(base, band, margin, rng.uniform(0, 0.6), 0.2, rng.choice([0.0, 0.0, 0.2]))
    parts: list[Part] = []
    for k in range(count):
        for ring in range(rings):
            t = (2 * ring + 1) / rings - 1
            across = size * slim * (1 - 0.6 * t * t)
            half = np.diag([size / rings * (1.0 if rings == 1 else 1.3), across, across])
            center = np.array([size * (t + 2.1 * k), 0.0, 0.0])
            parts.append(Bead(center, half, skin))
    where = np.array([place[0], place[1], 0.0])
    return [part.moved(turn(heading), where) for part in parts]


def _petal(rng: Generator, place: Floats, unit: int) -> list[Part]:
    """One or two fallen petals or wings of a seed, clear or not, veined."""
    color = (*FLOWERS, (226, 226, 220), (226, 226, 220))[rng.integers(8)]
    opacity, heading = rng.uniform(0.3, 0.9), rng.uniform(0, 2 * pi)
    parts: list[Part] = []
    for _ in range(int(rng.integers(1, 4))):
        size = (unit * rng.uniform(0.12, 0.34), unit * rng.uniform(0.04, 0.11))
        parts.append(_blade(rng, place, heading, size, color, opacity))
        heading += rng.uniform(0.3, 0.9)
    return parts


def _leaf(rng: Generator, place: Floats, unit: int) -> list[Part]:
    color = blend(_PLANTS[rng.integers(2)], (200, 210, 140), rng.uniform(0, 0.4))
    size = (unit * rng.uniform(0.3, 0.7), unit * rng.uniform(0.06, 0.16))
    return [_blade(rng, place, rng.uniform(0, 2 * pi), size, color, 1.0)]


def _blade(
    rng: Generator,
    place: Floats,
    heading: float,
    size: tuple[float, float],
    color: Color,
    opacity: float,
) -> Film:
    """A pointed oval of ``size`` (length, half width) with a rib and side veins."""
    full = rng.uniform(0.6, 1.4)
    steps = np.linspace(0, 1, 12)
    side = np.array([sin(pi * s**full) for s in steps])
    x, y = np.concatenate([steps, steps[::-1]]), np.concatenate([side, -side[::-1]])
    edge = np.stack([x * size[0], y * size[1], 0 * x], axis=1)
    ends = [(0.0, 0.0, 1.0, 0.0)] + [
        (t, 0.0, t + 0.15, way * 0.75 * sin(pi * (t + 0.15) ** full))
        for t in (0.15, 0.35, 0.55)
        for way in (-1, 1)
    ]
    veins = [
        np.array([[a * size[0], b * size[1], 0], [c * size[0], d * size[1], 0]])
        for a, b, c, d in ends
    ]
    dark = blend(color, (50, 40, 30), rng.uniform(0.2, 0.7))
    film = Film(edge, tuple(veins), color, dark, opacity)
    return film.moved(turn(heading), np.array([place[0], place[1], 0.0]))
