"""Ants and bees, built from parts in a frame of their own.

In it x points forward, y to the left and z up, and a body is about 1 long. What tells the two
apart is shape. An ant has three separate segments, a thin waist, elbowed antennae and six long
legs; a bee is stout and furry, with two pairs of veined wings and short legs. Colors, gloss, bands
and pose come from the same source for both.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import cos, pi, sin

import numpy as np
from numpy.random import Generator

from tlf.builtin.starter.parts import Bead, Color, Film, Floats, Limb, Part, Skin, bent, blend, turn

COLORS: tuple[Color, ...] = (
    (34, 30, 30),
    (52, 44, 40),
    (78, 50, 32),
    (120, 76, 40),
    (128, 46, 28),
    (168, 72, 34),
    (186, 122, 46),
    (216, 172, 72),
    (122, 116, 106),
    (196, 184, 158),
)
"""Blacks, browns, reds, ambers, yellows and greys that both classes draw from."""


@dataclass(frozen=True)
class Coat:
    """The colors and the surface of one insect."""

    body: Skin
    limbs: Color
    eyes: Color


@dataclass(frozen=True)
class Leg:
    """How the legs of an insect are built."""

    roots: tuple[float, float, float]
    """Where the front, middle and hind legs begin: x in the insect's frame."""
    side: float
    """How far from the middle they begin: y."""
    lengths: tuple[float, float, float]
    """Femur, tibia, foot."""
    width: float
    ground: float
    """z of what the insect stands on."""


def coat(rng: Generator) -> Coat:
    """Choose the colors of an insect; the same for both classes."""
    base, band = (COLORS[k] for k in rng.choice(len(COLORS), 2, replace=False))
    body = Skin(
        base=blend(base, band, rng.uniform(0, 0.15)),
        band=blend(base, band, rng.uniform(0.25, 1.0)),
        gloss=rng.uniform(0.0, 0.5),
        mottle=rng.uniform(0.05, 0.3),
    )
    limbs = blend(blend(base, band, rng.uniform(0, 0.8)), (20, 16, 14), rng.uniform(0.1, 0.5))
    return Coat(body, limbs, blend(limbs, (10, 8, 10), 0.8))


def ant(rng: Generator, look: Coat) -> list[Part]:
    """Build an ant in a pose of its own."""
    slim, waist = rng.uniform(0.85, 1.2), rng.uniform(0.02, 0.07)
    skin = replace(look.body, fur=rng.choice([0.0, 0.0, 0.12]))
    two = replace(skin, base=blend(skin.base, skin.band, rng.choice([0.0, 0.0, 0.8])))
    chest: list[Part] = [
        _bead((0.14, 0, 0.03), (0.12, 0.068 * slim, 0.07 * slim), two),
        _bead((-0.01, 0, 0.01), (0.10, 0.05 * slim, 0.055 * slim), two),
    ]
    node = -0.12 - waist / 2
    stalk = _bead((node, 0, -0.01), (0.06 + waist, 0.016, 0.018), two)
    chest += [stalk, _bead((node, 0, 0.015), (0.03, 0.034 * slim, 0.05 * slim), two)]
    tail = node - 0.07 - waist / 2
    gaster = _abdomen(rng, (tail, 0.0, 0.0), 0.27, 0.115 * rng.uniform(0.85, 1.15), skin, 4)
    swing = turn(rng.normal(0, 0.22), rng.normal(0.05, 0.2))
    nod = turn(rng.normal(0, 0.2), rng.normal(0.1, 0.15))
    reach = rng.uniform(0.85, 1.25)
    legs = Leg((0.17, 0.07, -0.03), 0.045, (0.27 * reach, 0.27 * reach, 0.17), 0.026, -0.17)
    winged = _wings(rng, look, 0.1, 0.05) if rng.random() < 0.03 else []
    head = bent(_ant_head(rng, look, two), (0.25, 0, 0.02), nod)
    return [*chest, *head, *bent(gaster, (tail, 0, 0), swing), *_legs(rng, look, legs), *winged]


def bee(rng: Generator, look: Coat) -> list[Part]:
    """Build a bee in a pose of its own."""
    stout = rng.uniform(0.88, 1.15)
    fur = rng.uniform(0.1, 0.32)
    thorax = replace(look.body, base=blend(look.body.base, look.body.band, rng.random()), fur=fur)
    rings = replace(look.body, fur=rng.choice([0.0, 0.08, fur]))
    chest = _bead((0.14, 0, 0.02), (0.17, 0.178 * stout, 0.165 * stout), thorax)
    length, width = rng.uniform(0.38, 0.5), rng.uniform(0.18, 0.225) * stout
    tail = _abdomen(rng, (0.04, 0.0, 0.0), length, width, rings, 5)
    swing = turn(rng.normal(0, 0.15), rng.normal(0.1, 0.15))
    nod = turn(rng.normal(0, 0.15), rng.normal(0.15, 0.15))
    legs = Leg((0.22, 0.13, 0.05), 0.09, (0.15, 0.17, 0.13), 0.036, -0.2)
    head = bent(_bee_head(rng, look, thorax), (0.28, 0, 0.02), nod)
    wings = _wings(rng, look, 0.17, 0.1)
    return [chest, *head, *bent(tail, (0.04, 0, 0), swing), *_legs(rng, look, legs), *wings]


INSECTS: dict[str, Callable[[Generator, Coat], list[Part]]] = {"ants": ant, "bees": bee}
"""Class name → how one of them is built."""


def _bead(center: tuple[float, float, float], half: tuple[float, float, float], skin: Skin) -> Bead:
    return Bead(np.array(center), np.diag(half), skin)


def _abdomen(
    rng: Generator,
    start: tuple[float, float, float],
    length: float,
    width: float,
    skin: Skin,
    rings: int,
) -> list[Part]:
    """A row of overlapping rings that goes backwards and curls a little."""
    curl, bands = rng.normal(0.06, 0.07), rng.uniform(-0.3, 0.3)
    parts: list[Part] = []
    for k in range(rings):
        place = (k + 0.5) / rings
        # An egg: widest before the middle, rounded in front, narrower behind.
        off = (place - 0.42) / (0.66 if place > 0.42 else 0.5)
        radius = width * (1 - off * off) ** 0.5
        x, drop = start[0] - length * place, length * curl * place * place * 4
        half = (length / rings * 1.25, radius, radius * 0.92)
        parts.append(_bead((x, start[1], start[2] - drop), half, replace(skin, margin=bands)))
    return parts


def _ant_head(rng: Generator, look: Coat, skin: Skin) -> list[Part]:
    big = rng.uniform(0.85, 1.25)
    parts: list[Part] = [_bead((0.36, 0, 0.02), (0.12 * big, 0.1 * big, 0.08 * big), skin)]
    eye = Skin(look.eyes, look.eyes, gloss=0.8)
    for side in (-1, 1):
        parts.append(_bead((0.38, side * 0.088 * big, 0.04), (0.03, 0.022, 0.028), eye))
        jaw = [(0.46, side * 0.05, 0), (0.53, side * 0.055, -0.01), (0.56, side * 0.012, -0.02)]
        parts.append(Limb(np.array(jaw), (0.03, 0.022, 0.008), look.limbs))
        parts.append(_antenna(rng, look, (0.42, side * 0.05, 0.06), side, (0.22, 0.3), 0.018))
    return parts


def _bee_head(rng: Generator, look: Coat, skin: Skin) -> list[Part]:
    parts: list[Part] = [_bead((0.36, 0, 0), (0.085, 0.12, 0.105), replace(skin, fur=0.12))]
    eye = Skin(look.eyes, look.eyes, gloss=0.7)
    for side in (-1, 1):
        parts.append(_bead((0.37, side * 0.095, 0.015), (0.055, 0.036, 0.08), eye))
        parts.append(_antenna(rng, look, (0.42, side * 0.035, 0.05), side, (0.08, 0.15), 0.018))
    return parts


def _antenna(
    rng: Generator,
    look: Coat,
    root: tuple[float, float, float],
    side: int,
    lengths: tuple[float, float],
    width: float,
) -> Limb:
    """A shaft that goes out, an elbow, and a whip that goes forward."""
    out, ahead = side * rng.uniform(0.6, 1.15), side * rng.uniform(-0.45, 0.4)
    up, down = rng.uniform(0.0, 0.5), rng.uniform(-0.7, 0.1)
    elbow = np.array(root) + lengths[0] * _toward(out, up)
    middle = elbow + lengths[1] * 0.55 * _toward(ahead, down)
    tip = middle + lengths[1] * 0.45 * _toward(ahead - side * 0.25, down - 0.2)
    points = np.array([root, elbow, middle, tip])
    return Limb(points, (width, width * 0.8, width, width * 1.1), look.limbs)


def _toward(azimuth: float, rise: float) -> Floats:
    return np.array([cos(azimuth) * cos(rise), sin(azimuth) * cos(rise), sin(rise)])


def _legs(rng: Generator, look: Coat, leg: Leg) -> list[Part]:
    """Six legs, each lifted and swung as in a step."""
    parts: list[Part] = []
    for side in (-1, 1):
        for root, heading in zip(leg.roots, (0.75, 1.65, 2.4), strict=True):
            parts.append(_leg(rng, look, leg, side, root, heading + rng.normal(0, 0.2)))
    return parts


def _leg(rng: Generator, look: Coat, leg: Leg, side: int, root: float, heading: float) -> Limb:
    femur, tibia, foot = (length * rng.uniform(0.9, 1.1) for length in leg.lengths)
    hip = np.array([root, side * leg.side, -0.05])
    knee = hip + femur * _toward(side * heading, rng.uniform(0.25, 0.75))
    spread = side * (heading + rng.normal(0, 0.25))
    fall = max(-1.2, min(-0.35, (leg.ground - knee[2]) / tibia))
    heel = knee + tibia * _toward(spread, fall)
    toe = heel + foot * _toward(spread + side * (heading - 1.5) * 0.4, -0.1)
    points = np.array([hip, knee, heel, toe])
    w = leg.width
    return Limb(points, (w * 1.2, w, w * 0.75, w * 0.4), look.limbs)


def _wings(rng: Generator, look: Coat, hinge: float, side: float) -> list[Part]:
    """Two pairs: folded over the back, or held out to the sides."""
    folded = rng.random() < 0.55
    sweep = rng.uniform(2.45, 2.85) if folded else rng.uniform(1.5, 2.25)
    rise = rng.uniform(0.02, 0.25) if folded else rng.uniform(0.05, 0.8)
    tint = blend((226, 226, 220), look.body.band, rng.uniform(0.0, 0.35))
    opacity, size = rng.uniform(0.28, 0.6), rng.uniform(0.9, 1.15)
    parts: list[Part] = []
    for name in (-1, 1):
        angle = sweep + rng.normal(0, 0.08)
        for length, chord, x, more in ((0.46, 0.17, -0.07, 0.22), (0.68, 0.2, 0.0, 0.0)):
            frame = turn(name * (angle + more), -rise, name * rng.uniform(-0.3, 0.1))
            shift = np.array([hinge + x, name * side, 0.13])
            wing = _wing(length * size, chord * size, -name, tint, look.limbs, opacity)
            parts.append(wing.moved(frame, shift))
    return parts


def _wing(
    length: float, chord: float, side: int, tint: Color, veins: Color, opacity: float
) -> Film:
    """A wing along x, its hinge at the origin: straight in front, full behind."""
    steps = np.linspace(0, 1, 12)
    front = [(s, 0.16 * sin(pi * s**0.8)) for s in steps]
    back = [(s, -0.84 * sin(pi * s**1.5) ** 0.8) for s in steps[::-1]]
    lines = (
        [(0.02, 0.0), (0.5, 0.02), (0.9, -0.1)],
        [(0.02, 0.0), (0.4, -0.25), (0.8, -0.45)],
        [(0.02, 0.0), (0.35, -0.45), (0.62, -0.78)],
        [(0.5, 0.02), (0.42, -0.26), (0.36, -0.46)],
        [(0.7, -0.02), (0.62, -0.36), (0.5, -0.6)],
    )
    scale = np.array([length, chord * side])

    def flat(points: list[tuple[float, float]]) -> Floats:
        laid = np.array(points) * scale
        return np.concatenate([laid, np.zeros((len(laid), 1))], axis=1)

    dark = blend(veins, (60, 50, 40), 0.5)
    return Film(flat(front + back), tuple(flat(line) for line in lines), tint, dark, opacity)
