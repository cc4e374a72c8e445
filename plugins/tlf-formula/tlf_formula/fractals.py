"""Fractals: iterated function systems, and trees and curves that rewriting rules grow."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.random import Generator

from tlf_formula.scene import Part, Points
from tlf_formula.shapes import Parts

WALKERS, STEPS = 250, 20


@lru_cache(maxsize=64)
def _system(variant: int) -> tuple[Points, Points]:
    """Matrices (N, 2, 2) and shifts (N, 2) of one iterated function system.

    The singular values are drawn so that their sum is neither too small (dust) nor too large (fog).

    Source: C. Anderson and R. Farrell, 2022, Improving Fractal Pre-training, arXiv:2110.03091.
    """
    rng = np.random.default_rng([variant, 2110, 3091])
    maps = 2 + variant % 4
    values = np.ones((maps, 2))
    while values.max() > 0.92:
        values = np.sort(rng.uniform(0.15, 1, (maps, 2)), axis=1)[:, ::-1]
        values = values * (0.5 * (5.4 + maps) / (values[:, 0] + 2 * values[:, 1]).sum())
    angles = rng.uniform(0, 2 * np.pi, (maps, 2))
    left, right = _turns(angles[:, 0]), _turns(angles[:, 1])
    return left @ (values[:, :, None] * right), rng.uniform(-1, 1, (maps, 2))


def _turns(angles: Points) -> Points:
    """Rotations (N, 2, 2)."""
    cos, sin = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)


def attractor(rng: Generator, variant: int) -> Parts:
    """Dots on the attractor of one iterated function system, its numbers changed a little.

    Source: H. Kataoka et al., 2020, Pre-training without Natural Images, arXiv:2101.08515.
    """
    matrices, shifts = _system(variant)
    matrices = matrices * rng.uniform(0.94, 1.04, matrices.shape)
    odds = np.abs(np.linalg.det(matrices)) + 0.03
    chosen = rng.choice(len(odds), size=(STEPS, WALKERS), p=odds / odds.sum())
    points = rng.uniform(-1, 1, (WALKERS, 2))
    trail = []
    for step in chosen:
        points = np.einsum("nij,nj->ni", matrices[step], points) + shifts[step]
        trail.append(points)
    cloud = np.concatenate(trail[5:])
    low, high = np.quantile(cloud, (0.01, 0.99), axis=0)
    return [Part(np.clip(cloud, low, high), "dots")]


@lru_cache(maxsize=64)
def _grown(start: str, rules: tuple[tuple[str, str], ...], times: int) -> str:
    """Rewrite every letter of ``start`` by the rules, ``times`` times over.

    >>> _grown("A", (("A", "AB"), ("B", "A")), 3)
    'ABAAB'
    """
    table = str.maketrans(dict(rules))
    for _ in range(times):
        start = start.translate(table)
    return start


def plant(
    rng: Generator, start: str, rules: Mapping[str, str], times: int, degrees: float, loose: float
) -> Parts:
    """Lines that a turtle draws along a word: F and G forward, + and - turn, [ and ] branch.

    Parameters:
        rng: of the image.
        start: the word to begin with.
        rules: what each letter grows into.
        times: how often it grows.
        degrees: of one turn.
        loose: how far turns vary, as a fraction.

    Source: A. Lindenmayer, 1968, Mathematical models for cellular interactions in development.
    """
    word = _grown(start, tuple(sorted(rules.items())), times)
    turn = np.radians(degrees) * rng.uniform(1 - loose / 2, 1 + loose / 2)
    jitters = (1 + loose * rng.uniform(-1, 1, len(word))).tolist()
    lines = _walk(word, float(turn), jitters)
    points = np.concatenate(lines)
    width = rng.uniform(0.008, 0.02) * float(np.ptp(points, axis=0).max())
    return [Part(line, "line", width) for line in lines]


def _walk(word: str, turn: float, jitters: list[float]) -> list[Points]:
    """The lines (N, 2) of a turtle's walk, one for each branch."""
    x, y, heading = 0.0, 0.0, np.pi / 2
    line, lines = [(x, y)], []
    stack: list[tuple[float, float, float, list[tuple[float, float]]]] = []
    for letter, jitter in zip(word, jitters, strict=True):
        if letter in "FG":
            x, y = x + float(np.cos(heading)) * jitter, y + float(np.sin(heading)) * jitter
            line.append((x, y))
        elif letter in "+-":
            heading += turn * jitter if letter == "+" else -turn * jitter
        elif letter == "[":
            stack.append((x, y, heading, line))
            line = [(x, y)]
        elif letter == "]":
            lines.append(line)
            x, y, heading, line = stack.pop()
    return [np.array(each) for each in [*lines, line] if len(each) > 1]
