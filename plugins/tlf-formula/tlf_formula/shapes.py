"""Outlines and curves: polygons, stars, lobes, spirals, crosses, gears, compositions of them.

Every function takes the image's random generator first and returns parts from back to front.
"""

import numpy as np
from numpy.random import Generator

from tlf_formula.scene import Part, Points

Parts = list[Part]


def ring(count: int, start: float = 0.0) -> Points:
    """``count`` points (N, 2) around the unit circle.

    >>> ring(4).round(3).tolist()
    [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [-0.0, -1.0]]
    """
    angles = start + np.arange(count) * 2 * np.pi / count
    return unit(angles)


def unit(angles: Points) -> Points:
    """Points (N, 2) of the unit circle at angles (N,).

    >>> unit(np.zeros(1)).tolist()
    [[1.0, 0.0]]
    """
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def oval(x: float, y: float, width: float, height: float) -> Points:
    """Outline (N, 2) of an ellipse by its centre and half axes."""
    return np.asarray(ring(32) * (width, height) + (x, y))


def painted(rng: Generator, outline: Points, tone: int = 0) -> Parts:
    """An outline filled, filled with a rim, or as a thick line: which one tells nothing."""
    closed = np.concatenate([outline, outline[:2]])
    rim = Part(closed, "line", rng.uniform(0.04, 0.1), tone)
    style = rng.random()
    if style < 0.5:
        return [Part(outline, tone=tone)]
    if style < 0.8:
        return [Part(outline, tone=tone + 1), rim]
    return [rim]


def polygon(rng: Generator, corners: int) -> Parts:
    """A polygon with nearly equal sides."""
    return painted(rng, ring(corners) * rng.uniform(0.88, 1.12, (corners, 1)))


def star(rng: Generator, points: int) -> Parts:
    """A star."""
    outline = ring(2 * points) * rng.uniform(0.92, 1.08, (2 * points, 1))
    outline[1::2] *= rng.uniform(0.35, 0.55)
    return painted(rng, outline)


def lobes(rng: Generator, count: int) -> Parts:
    """A smooth blob with bulges."""
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    depth = rng.uniform(0.22, 0.4) if count < 6 else rng.uniform(0.16, 0.26)
    radius = 1 + depth * np.cos(count * angles) + rng.uniform(-0.06, 0.06) * np.cos(angles)
    return painted(rng, ring(90) * radius[:, None])


def gear(rng: Generator, teeth: int) -> Parts:
    """A toothed wheel with a hole."""
    root, bore = rng.uniform(0.7, 0.82), rng.uniform(0.2, 0.45)
    outline = ring(teeth * 4) * np.tile([1.0, 1.0, root, root], teeth)[:, None]
    hole = oval(0, 0, bore, bore)
    return [Part(outline), Part(hole, tone=int(rng.integers(1, 4)))]


def rose(rng: Generator, petals: int) -> Parts:
    """A rose curve of one line; even counts need half the frequency."""
    angles = np.linspace(0, 2 * np.pi, 240)
    factor = petals if petals % 2 else petals / 2
    radius = np.cos(factor * angles)
    curve = radius[:, None] * unit(angles)
    return [Part(curve, "line", rng.uniform(0.04, 0.1))]


def lissajous(rng: Generator, across: int, down: int) -> Parts:
    """A Lissajous figure of one line."""
    time = np.linspace(0, 2 * np.pi, 200)
    curve = np.stack([np.sin(across * time + rng.uniform(0.5, 1.1)), np.sin(down * time)], axis=1)
    return [Part(curve, "line", rng.uniform(0.04, 0.1))]


def spiral(rng: Generator, turns: float, arms: int = 1) -> Parts:
    """A spiral that starts in the middle, or several, like a galaxy."""
    time = np.linspace(0.05, 1, 100)
    width = rng.uniform(0.04, 0.1)
    parts = []
    for arm in range(arms):
        angle = time * turns * 2 * np.pi + arm * 2 * np.pi / arms
        curve = time[:, None] * unit(angle)
        parts.append(Part(curve, "line", width))
    return parts


def wave(rng: Generator, periods: float, sharp: bool) -> Parts:
    """A wavy line, or a zigzag."""
    count = int(periods * 2) + 1 if sharp else 100
    x = np.linspace(-1, 1, count)
    height = rng.uniform(0.15, 0.3)
    y = height * (np.arange(count) % 2 * 2 - 1 if sharp else np.sin(x * periods * np.pi))
    return [Part(np.stack([x, y], axis=1), "line", rng.uniform(0.04, 0.1))]


def coil(rng: Generator, loops: int) -> Parts:
    """A line that runs on in loops."""
    time = np.linspace(0, loops * 2 * np.pi, loops * 30)
    x = time / (loops * np.pi) - 1 + 0.2 * np.cos(time)
    curve = np.stack([x, rng.uniform(0.2, 0.35) * np.sin(time)], axis=1)
    return [Part(curve, "line", rng.uniform(0.04, 0.08))]


def arcs(rng: Generator, count: int, opening: float) -> Parts:
    """Arcs around one centre, like ripples."""
    angles = np.linspace(opening / 2, 2 * np.pi - opening / 2, 60)
    circle = unit(angles)
    width = rng.uniform(0.05, 0.12)
    return [Part(circle * (n + 1) / count, "line", width) for n in range(count)]


def spokes(rng: Generator, count: int, knobs: bool = False) -> Parts:
    """Lines from one point, with knobs at their ends or without."""
    ends = ring(count) * rng.uniform(0.85, 1.15, (count, 1))
    width = rng.uniform(0.06, 0.14)
    parts = [Part(np.stack([np.zeros(2), end]), "line", width) for end in ends]
    if knobs:
        parts += [Part(oval(float(end[0]), float(end[1]), 0.15, 0.15), tone=1) for end in ends]
    return parts


def bent_pair(rng: Generator, bends: int) -> Parts:
    """Two thin lines that leave one point, mirrored, with sharp elbows."""
    turn = rng.uniform(0.7, 1.2)
    steps = np.array([[np.cos(a), np.sin(a)] for a in 0.3 + turn * (np.arange(bends + 1) % 2)])
    half = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    width = rng.uniform(0.06, 0.14) * (bends + 1) / 2
    return [Part(half, "line", width), Part(half * (1, -1), "line", width)]


def comb(rng: Generator, teeth: int, both: bool) -> Parts:
    """A spine with teeth on one side, or on both like a feather."""
    lean = rng.uniform(-0.25, 0.25)
    length, width = rng.uniform(0.4, 0.7), rng.uniform(0.04, 0.08)
    parts = [Part(np.array([[-1.0, 0.0], [1.0, 0.0]]), "line", width * 1.5)]
    for x in np.linspace(-0.9, 0.9, teeth):
        for side in (1, -1) if both else (1,):
            tooth = np.array([[x, 0.0], [x + lean, side * length]])
            parts.append(Part(tooth, "line", width))
    return parts


def ladder(rng: Generator, rungs: int) -> Parts:
    """Two rails and rungs between them."""
    half, width = rng.uniform(0.25, 0.4), rng.uniform(0.05, 0.1)
    lines = [[[-1.0, s * half], [1.0, s * half]] for s in (-1, 1)]
    lines += [[[x, -half], [x, half]] for x in np.linspace(-0.85, 0.85, rungs)]
    return [Part(np.array(line), "line", width) for line in lines]


def crescent(rng: Generator) -> Parts:
    """A moon."""
    angles = np.linspace(0.5, 2 * np.pi - 0.5, 50)
    outer = unit(angles)
    inner = outer[::-1] * (rng.uniform(0.45, 0.6), 0.8) + (0.3, 0)
    return painted(rng, np.concatenate([outer, inner]))


def drop(rng: Generator) -> Parts:
    """A teardrop."""
    return painted(rng, teardrop(rng.uniform(0.35, 0.55)))


def teardrop(fat: float) -> Points:
    """Outline (N, 2) of a drop from its tip at (0, 0) to its round end at (1, 0)."""
    time = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    x = (1 - np.cos(time)) / 2
    return np.stack([x, fat * np.sin(time) * -(x**0.8)], axis=1)


def heart(rng: Generator) -> Parts:
    """A heart."""
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    wide = rng.uniform(13, 18)
    return painted(rng, np.stack([wide * np.sin(t) ** 3, y], axis=1) / 16)


def arrow(rng: Generator) -> Parts:
    """An arrow."""
    neck, thick, barb = rng.uniform(0, 0.4), rng.uniform(0.1, 0.2), rng.uniform(0.4, 0.6)
    half = np.array([[-1, thick], [neck, thick], [neck, barb], [1, 0]])
    return painted(rng, np.concatenate([half, half[-2::-1] * (1, -1)]))


def cross(rng: Generator) -> Parts:
    """A thick cross."""
    arm = rng.uniform(0.2, 0.35)
    corner = np.array([[1, -arm], [1, arm], [arm, arm]])
    quarter = np.array([[0, 1], [-1, 0]])
    turns = [corner @ np.linalg.matrix_power(quarter, n) for n in range(4)]
    return painted(rng, np.concatenate(turns))


def nested(rng: Generator, corners: int) -> Parts:
    """One polygon inside another, three times, each turned against the last."""
    turn = rng.uniform(0.1, 0.3)
    sizes = enumerate((1.0, 0.68, 0.4))
    return [Part(ring(corners, n * turn) * size, tone=n) for n, size in sizes]


def beads(rng: Generator, count: int) -> Parts:
    """Dots in a circle."""
    radius = rng.uniform(0.5, 0.8) * min(np.pi / count, 0.6)
    centers = ring(count) * rng.uniform(0.95, 1.05, (count, 1))
    return [Part(oval(float(center[0]), float(center[1]), radius, radius)) for center in centers]


def petals(rng: Generator, count: int) -> Parts:
    """Translucent petals that overlap around a centre."""
    fat, opacity = rng.uniform(1.1, 1.5) / count, rng.uniform(0.35, 0.75)
    outline = teardrop(fat) * (1, 1.6)
    parts = []
    for cos, sin in ring(count):
        turned = outline @ np.array([[cos, sin], [-sin, cos]])
        parts.append(Part(turned, tone=int(rng.integers(2)), opacity=opacity))
    return parts


def lenses(rng: Generator, count: int) -> Parts:
    """Translucent discs that overlap."""
    opacity = rng.uniform(0.35, 0.7)
    places = enumerate((ring(count) * rng.uniform(0.5, 0.7)).tolist())
    return [Part(oval(x, y, 0.8, 0.8), tone=n, opacity=opacity) for n, (x, y) in places]
