"""Things put together of parts: chains of segments, jointed appendages, marks, wings, fuzz.

Every function takes the image's random generator first and returns parts from back to front.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.random import Generator

from tlf_formula.scene import Part, Points
from tlf_formula.shapes import Parts, oval, teardrop

Mark = Literal["none", "stripes", "spots", "rings", "lines", "halves", "collar"]


def chain(
    rng: Generator,
    lengths: Sequence[float],
    widths: Sequence[float],
    *,
    legs: int = 0,
    feelers: bool = False,
    fuzzy: bool = False,
) -> Parts:
    """Ovals in a row, with jointed thin legs in pairs, feelers, or a fuzzy edge.

    Parameters:
        rng: of the image.
        lengths: half length of each segment.
        widths: half width of each segment.
        legs: pairs of them.
        feelers: whether two thin lines leave the first segment.
        fuzzy: whether short hairs cover the edges.
    """
    long = np.array(lengths) * rng.uniform(0.88, 1.12, len(lengths))
    wide = np.array(widths) * rng.uniform(0.88, 1.12, len(widths))
    ends = np.cumsum(long * 2 * rng.uniform(0.86, 0.94))
    middles = ends - long
    tones = [0] * len(long) if rng.random() < 0.6 else rng.integers(0, 2, len(long)).tolist()
    plan = zip(middles, long, wide, tones, strict=True)
    segments = [Part(oval(x, 0, a, b), tone=tone) for x, a, b, tone in plan]
    host = min(1, len(long) - 1)
    thin = rng.uniform(0.05, 0.09) * float(wide.max())
    reach = rng.uniform(0.3, 0.5) * float(ends[-1]) ** 0.5 * 1.6
    root = (float(middles[host]), float(long[host]), float(wide[host]))
    parts = jointed(rng, root, legs, reach, thin, tone=tones[host])
    if feelers:
        parts += whips(rng, float(middles[0] - long[0] * 0.8), float(ends[-1]), thin)
    if fuzzy:
        parts += [hair for part in segments for hair in hairs(rng, part.points, part.tone)]
    return bent(rng, [*parts, *segments])


def jointed(
    rng: Generator,
    segment: tuple[float, float, float],
    pairs: int,
    reach: float,
    thin: float,
    tone: int,
) -> Parts:
    """Pairs of legs with a knee and a foot; seen from above, or from the side all on one side.

    Parameters:
        rng: of the image.
        segment: place, half length and half width of what the legs are on.
        pairs: of legs.
        reach: how far they stand away.
        thin: width of a leg.
        tone: color of a leg.
    """
    if not pairs:
        return []
    x, long, wide = segment
    sides = (-1, 1) if rng.random() < 0.7 else (1, 1)
    roots = np.linspace(-0.65, 0.65, pairs) * long
    leans = np.linspace(-0.9, 0.9, pairs) + rng.uniform(-0.15, 0.15)
    width = thin * rng.uniform(1, 1.7)
    parts = []
    for root, lean in zip(roots, leans, strict=True):
        for second, side in enumerate(sides):
            slip = 0.15 * long * second * (sides[0] == sides[1])
            tilt = lean + rng.uniform(-0.2, 0.2)
            knee = np.array([np.sin(tilt), np.cos(tilt)]) * reach * rng.uniform(0.5, 0.65)
            foot = knee + np.array([np.sin(tilt * 1.6), np.cos(tilt * 1.3) * 0.9]) * reach * 0.6
            hip = np.array([0.0, wide * 0.6])
            line = np.array([[0.0, 0.0], hip, hip + knee, hip + foot]) * (1, side)
            parts.append(Part(line + np.array([x + root + slip, 0]), "line", width, tone))
    return parts


def whips(rng: Generator, x: float, length: float, thin: float) -> Parts:
    """Two feelers with an elbow, or evenly bent."""
    reach, spread = length * rng.uniform(0.2, 0.32), rng.uniform(0.3, 0.8)
    elbow = np.array([-reach * np.cos(spread), reach * np.sin(spread)])
    tip = elbow + reach * np.array([-np.cos(spread * 0.3), np.sin(spread * 0.3)])
    half = np.array([[0.0, 0.0], elbow, tip]) + np.array([x, 0])
    return [Part(half * (1, side), "line", thin) for side in (-1, 1)]


def hairs(rng: Generator, outline: Points, tone: int) -> Parts:
    """Short hairs that stand away from an outline."""
    center = outline.mean(axis=0)
    spread = outline - center
    length = rng.uniform(0.15, 0.3)
    roots = np.repeat(spread, 3, axis=0)
    roots = roots * rng.uniform(0.85, 1, (len(roots), 1)) + rng.normal(0, 0.03, roots.shape)
    tips = roots * (1 + length * rng.uniform(0.4, 1.3, (len(roots), 1)))
    tips += rng.normal(0, 0.04, tips.shape)
    zigzag = np.stack([roots, tips, roots], axis=1).reshape(-1, 2) + center
    return [Part(zigzag, "line", 0.02, tone)]


def bent(rng: Generator, parts: Parts) -> Parts:
    """Bend parts along an arc, as a body bends."""
    points = np.concatenate([part.points for part in parts])
    middle, reach = points.mean(axis=0), float(np.ptp(points[:, 0])) or 1.0
    bow = rng.uniform(-0.25, 0.25) / reach * 2
    bows = [bow * ((part.points - middle) ** 2)[:, :1] * (0, 1) for part in parts]
    return [replace(p, points=p.points + bow) for p, bow in zip(parts, bows, strict=True)]


def marked(rng: Generator, mark: Mark, count: int = 0, *, fuzzy: bool = False) -> Parts:
    """A long or round blob with marks on it.

    Parameters:
        rng: of the image.
        mark: what kind of marks.
        count: how many of them.
        fuzzy: whether short hairs cover the edge.
    """
    fat = rng.uniform(0.5, 0.85)
    skew = rng.uniform(-0.3, 0.3)
    outline = _profile(np.linspace(-1, 1, 40), fat, skew)
    parts = hairs(rng, outline, 0) if fuzzy else []
    if rng.random() < 0.3 and not fuzzy:
        rim = np.concatenate([outline, outline[:2]])
        parts.append(Part(rim, "line", 0.1, 3))
    return bent(rng, [*parts, Part(outline), *_marks(rng, mark, count, fat, skew)])


def _profile(x: Points, fat: float, skew: float) -> Points:
    """Outline (2N, 2) of the blob between the first and the last of ``x``."""
    half = fat * np.sqrt(np.clip(1 - x**2, 0, None)) * (1 + skew * x)
    upper = np.stack([x, half], axis=1)
    return np.concatenate([upper, upper[::-1] * (1, -1)])


def _marks(rng: Generator, mark: Mark, count: int, fat: float, skew: float) -> Parts:
    match mark:
        case "stripes":
            return _stripes(rng, count, fat, skew)
        case "lines":
            return _long_lines(rng, count, fat, skew)
        case "spots":
            return _spots(rng, count, fat, skew)
        case "rings":
            sizes = np.linspace(0.85, 0.2, count) if count > 1 else [0.55]
            whole = _profile(np.linspace(-1, 1, 40), fat, skew)
            return [Part(whole * size, tone=(n + 1) % 2) for n, size in enumerate(sizes)]
        case "halves":
            return [Part(_profile(np.linspace(rng.uniform(-0.15, 0.15), 1, 30), fat, skew), tone=1)]
        case "collar":
            start = rng.uniform(-0.7, -0.4)
            return [Part(_profile(np.linspace(start, start + 0.22, 12), fat, skew), tone=1)]
        case _:
            return []


def _stripes(rng: Generator, count: int, fat: float, skew: float) -> Parts:
    """Bands across."""
    edges = np.linspace(-0.88, 0.88, 2 * count + 1)
    edges[1:-1] += rng.uniform(-0.15, 0.15, 2 * count - 1) * (edges[1] - edges[0])
    share = rng.uniform(-0.25, 0.25) * (edges[1] - edges[0])
    bands = [np.linspace(edges[n] - share, edges[n + 1], 10) for n in range(0, 2 * count, 2)]
    return [Part(_profile(band, fat, skew), tone=1) for band in bands]


def _long_lines(rng: Generator, count: int, fat: float, skew: float) -> Parts:
    """Bands along."""
    x = np.linspace(-0.85, 0.85, 30)
    top = _profile(x, fat, skew)[:30]
    width = rng.uniform(0.5, 0.9) * fat / count
    heights = np.linspace(-1, 1, count + 2)[1:-1] * 0.9
    return [Part(top * (1, height), "line", width, 1) for height in heights]


def _spots(rng: Generator, count: int, fat: float, skew: float) -> Parts:
    """Spots that keep apart from each other."""
    radius = rng.uniform(0.45, 0.6) * fat / np.sqrt(count)
    golden = np.arange(count) * 2.39996 + rng.uniform(0, 6)
    reach = np.sqrt((np.arange(count) + 0.5) / count) * 0.78
    x = reach * np.cos(golden)
    y = reach * np.sin(golden) * fat * (1 + skew * x)
    return [Part(oval(a, b, radius, radius), tone=1) for a, b in zip(x, y, strict=True)]


def winged(
    rng: Generator,
    pairs: int,
    *,
    thick: float,
    second: float = 1.0,
    fat: float = 0.3,
    stripes: int = 0,
    veins: bool = False,
) -> Parts:
    """A body with pairs of translucent wings.

    Parameters:
        rng: of the image.
        pairs: of wings.
        thick: half width of the body, whose half length is 1.
        second: length of every later pair against the first.
        fat: half width of a wing of length 1.
        stripes: bands on the body.
        veins: whether lines run through the wings.
    """
    thick, fat = thick * rng.uniform(0.85, 1.15), fat * rng.uniform(0.85, 1.15)
    body = [Part(_profile(np.linspace(-1, 1, 40), thick, 0.2))]
    body += _stripes(rng, stripes, thick, 0.2) if stripes else []
    opacity, open_ = rng.uniform(0.3, 0.75), rng.uniform(0.7, 1.5)
    wings: Parts = []
    lines: Parts = []
    for pair in range(pairs):
        length = rng.uniform(1.2, 1.5) * (second if pair else 1.0)
        angle = open_ - 0.55 * pair + (0.5 if pairs > 1 else 0)
        for side in (-1, 1):
            wing, drawn = _wing(length, fat, angle)
            hinge = np.array([pair * 0.3 - 0.4, 0.0])
            wings.append(Part(wing * (1, side) + hinge, tone=2, opacity=opacity))
            lines += [Part(v * (1, side) + hinge, "line", 0.025, 3) for v in drawn if veins]
    folded = rng.random() < 0.4
    return bent(rng, [*body, *wings, *lines] if folded else [*wings, *lines, *body])


def _wing(length: float, fat: float, angle: float) -> tuple[Points, list[Points]]:
    """Outline (N, 2) of a wing that is hinged at (0, 0), and its veins."""
    cos, sin = np.cos(angle) * length, np.sin(angle) * length
    turn = np.array([[cos, sin], [-sin, cos]])
    veins = [np.array([[0, 0], [0.5, lift * fat], [0.9, lift * fat]]) for lift in (-0.5, 0.1, 0.6)]
    return teardrop(fat * 1.6) @ turn, [vein @ turn for vein in veins]
