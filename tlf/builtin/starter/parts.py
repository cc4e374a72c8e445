"""What an image is made of: beads, limbs and films, in three dimensions.

An insect is built in its own frame (x forward, y to its left, z up, its body about 1 long) and then
moved into the camera's (x right, y down, z towards the viewer, in pixels). All three kinds of part
are carried over by one matrix and one shift.
"""

from dataclasses import dataclass, replace
from math import cos, sin
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Color: TypeAlias = tuple[float, float, float]
"""Red, green, blue, 0 to 255."""


@dataclass(frozen=True)
class Skin:
    """What a surface looks like."""

    base: Color
    band: Color
    margin: float = -2.0
    """A bead is ``band``-colored behind this place of its first axis, which goes from -1 to 1."""
    gloss: float = 0.2
    mottle: float = 0.15
    fur: float = 0.0
    """Length of the hairs, as a fraction of the bead's size."""


@dataclass(frozen=True)
class Bead:
    """An ellipsoid: head, thorax, a ring of the abdomen, a seed, a pebble."""

    center: Floats
    axes: Floats
    """(3, 3): the columns are the half-axes; bands run across the first."""
    skin: Skin

    def moved(self, matrix: Floats, shift: Floats) -> "Bead":
        """The bead in another frame."""
        return replace(self, center=matrix @ self.center + shift, axes=matrix @ self.axes)

    def outline(self) -> Floats:
        """Points (16, 2) on the edge of the bead as the camera sees it."""
        # The silhouette of an ellipsoid is the ellipse whose shape matrix is A·Aᵀ, seen flat.
        (a, b), (_, c) = self.axes[:2] @ self.axes[:2].T
        root = np.sqrt(max(a, 1e-9))
        factor = np.array([[root, 0.0], [b / root, np.sqrt(max(c - b * b / root**2, 1e-9))]])
        edge: Floats = self.center[:2] + _CIRCLE @ factor.T
        return edge


@dataclass(frozen=True)
class Limb:
    """A jointed rod: a leg, an antenna, a twig."""

    points: Floats
    """(N, 3)."""
    widths: tuple[float, ...]
    """N widths, one at each point."""
    color: Color

    def moved(self, matrix: Floats, shift: Floats) -> "Limb":
        """The limb in another frame."""
        scale = float(np.sqrt((matrix[:, 0] ** 2).sum()))
        widths = tuple(width * scale for width in self.widths)
        return replace(self, points=self.points @ matrix.T + shift, widths=widths)

    def outline(self) -> Floats:
        """Points (N, 2) that the limb passes through."""
        return self.points[:, :2]


@dataclass(frozen=True)
class Film:
    """A thin sheet with veins: a wing, a petal, a leaf."""

    edge: Floats
    """(N, 3): its edge, once around."""
    veins: tuple[Floats, ...]
    """Lines on it, each (N, 3)."""
    color: Color
    vein_color: Color
    opacity: float
    """0 is clear, 1 hides what is behind it."""

    def moved(self, matrix: Floats, shift: Floats) -> "Film":
        """The film in another frame."""
        veins = tuple(vein @ matrix.T + shift for vein in self.veins)
        return replace(self, edge=self.edge @ matrix.T + shift, veins=veins)

    def outline(self) -> Floats:
        """Points (N, 2) on its edge."""
        return self.edge[:, :2]


Part: TypeAlias = Bead | Limb | Film

_CIRCLE = np.array([(cos(k * np.pi / 8), sin(k * np.pi / 8)) for k in range(16)])


def turn(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Floats:
    """A rotation (3, 3): roll about x first, then pitch about y, then yaw about z; in radians.

    >>> turn(yaw=np.pi / 2).round(3)[:, 0].tolist()
    [0.0, 1.0, 0.0]
    """
    z = np.array([[cos(yaw), -sin(yaw), 0.0], [sin(yaw), cos(yaw), 0.0], [0.0, 0.0, 1.0]])
    y = np.array([[cos(pitch), 0.0, sin(pitch)], [0.0, 1.0, 0.0], [-sin(pitch), 0.0, cos(pitch)]])
    x = np.array([[1.0, 0.0, 0.0], [0.0, cos(roll), -sin(roll)], [0.0, sin(roll), cos(roll)]])
    rotation: Floats = z @ y @ x
    return rotation


def bent(parts: list[Part], pivot: tuple[float, float, float], matrix: Floats) -> list[Part]:
    """The parts turned by ``matrix`` about the point ``pivot``."""
    at = np.array(pivot)
    return [part.moved(matrix, at - matrix @ at) for part in parts]


def extent(parts: list[Part]) -> tuple[Floats, Floats]:
    """The least and the greatest x and y, (2,) each, that the parts reach."""
    points = np.concatenate([part.outline() for part in parts])
    return points.min(axis=0), points.max(axis=0)


def blend(a: Color, b: Color, share: float) -> Color:
    """A color between two: ``a`` at share 0, ``b`` at share 1.

    >>> blend((0, 0, 0), (200, 100, 50), 0.5)
    (100.0, 50.0, 25.0)
    """
    red, green, blue = (x + (y - x) * share for x, y in zip(a, b, strict=True))
    return red, green, blue
