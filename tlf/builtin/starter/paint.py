"""Paint beads, limbs and films into an image, in the light of one lamp."""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tlf.builtin.starter.parts import Bead, Color, Film, Floats, Limb, Part, blend

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw as Pen

Pixels = NDArray[np.float32]
Box = tuple[int, int, int, int]
_SHADOW_STEP = 4
"""Shadows are drawn this many times smaller: they are soft anyway."""


@dataclass(frozen=True)
class Light:
    """Where the light comes from."""

    direction: Floats
    """(3,), of length 1, towards the lamp, in the camera's frame."""
    ambient: float
    """How bright a surface is that faces away from the lamp, 0 to 1."""
    shadow: float
    """How dark a cast shadow is, 0 to 1."""
    softness: float
    """How far the edge of a shadow spreads, in pixels."""


@dataclass(frozen=True)
class _Hit:
    """What the camera sees of a bead: one value for each pixel of a box."""

    inside: NDArray[np.bool_]
    depth: Pixels
    along: Pixels
    """Place on the bead's first axis, -1 to 1."""
    normal: tuple[Pixels, Pixels, Pixels]


def paint(canvas: "Image", parts: list[Part], light: Light, rng: Generator) -> None:
    """Paint the parts of one thing, farthest first.

    Beads hide each other exactly, pixel by pixel; limbs and films lie behind or in front of them
    all.
    """
    beads = [part for part in parts if isinstance(part, Bead)]
    middle = float(np.mean([bead.center[2] for bead in beads])) if beads else 0.0
    thin = sorted((p for p in parts if not isinstance(p, Bead)), key=_depth)
    for part in thin:
        if _depth(part) <= middle:
            _paint_thin(canvas, part, light)
    if beads:
        _paint_beads(canvas, beads, light, rng)
    for part in thin:
        if _depth(part) > middle:
            _paint_thin(canvas, part, light)


def cast_shadow(canvas: "Image", parts: list[Part], light: Light, height: float) -> None:
    """Darken the ground where the parts, ``height`` pixels above it, keep the light away."""
    from PIL import Image, ImageDraw, ImageFilter

    small = (canvas.width // _SHADOW_STEP + 1, canvas.height // _SHADOW_STEP + 1)
    mask = Image.new("L", small, 0)
    draw = ImageDraw.Draw(mask)
    shift = -light.direction[:2] / light.direction[2] * height
    for part in parts:
        points = [tuple(p) for p in (part.outline() + shift) / _SHADOW_STEP]
        if isinstance(part, Limb):
            draw.line(points, fill=200, width=max(1, round(max(part.widths) / _SHADOW_STEP)))
        else:
            opacity = part.opacity if isinstance(part, Film) else 1.0
            draw.polygon(points, fill=round(255 * opacity * 0.8))
    mask = mask.filter(ImageFilter.GaussianBlur(light.softness / _SHADOW_STEP))
    mask = mask.resize(canvas.size, Image.Resampling.BILINEAR)
    canvas.paste((12, 12, 22), (0, 0), mask.point([round(v * light.shadow) for v in range(256)]))


def _depth(part: Limb | Film) -> float:
    points = part.points if isinstance(part, Limb) else part.edge
    return float(points[:, 2].mean())


def _paint_thin(canvas: "Image", part: Limb | Film, light: Light) -> None:
    if isinstance(part, Limb):
        _paint_limb(canvas, part, light)
    else:
        _paint_film(canvas, part, light)


def _rgb(color: Color, alpha: float | None = None) -> tuple[int, ...]:
    levels = tuple(min(255, max(0, round(level))) for level in color)
    return levels if alpha is None else (*levels, round(255 * min(1.0, alpha)))


def _paint_limb(canvas: "Image", limb: Limb, light: Light) -> None:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(canvas)
    dark, lit = blend(limb.color, (0, 0, 0), 0.45 - 0.3 * light.ambient), limb.color
    lit = blend(lit, (255, 255, 255), 0.18)
    toward = light.direction[:2] * 0.28
    for share, color in ((1.0, dark), (0.45, lit)):
        # The lit rod is thinner and moved towards the lamp: that makes it look round.
        moved = limb.points[:, :2] + (toward * max(limb.widths) * (share < 1))
        _draw_rod(draw, moved, [max(1.0, w * share) for w in limb.widths], _rgb(color))


def _draw_rod(draw: "Pen", points: Floats, widths: list[float], fill: tuple[int, ...]) -> None:
    for (a, b), (wide, narrow) in zip(pairwise(points), pairwise(widths), strict=True):
        along = b - a
        across = np.array([-along[1], along[0]]) / max(float(np.sqrt((along**2).sum())), 1e-6) / 2
        corners = [a + across * wide, b + across * narrow, b - across * narrow, a - across * wide]
        draw.polygon([tuple(corner) for corner in corners], fill=fill)
    for point, width in zip(points, widths, strict=True):
        if width > 2:
            (x, y), r = point, width / 2
            draw.ellipse((x - r, y - r, x + r, y + r), fill=fill)


def _paint_film(canvas: "Image", film: Film, light: Light) -> None:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(canvas, "RGBA")
    edge = [tuple(p) for p in film.edge[:, :2]]
    draw.polygon(edge, fill=_rgb(film.color, film.opacity))
    middle = film.edge[:, :2].mean(axis=0)
    sheen = middle + (film.edge[:, :2] - middle) * 0.62 + light.direction[:2] * 3
    bright = blend(film.color, (255, 255, 255), 0.6)
    draw.polygon([tuple(p) for p in sheen], fill=_rgb(bright, 0.22 * film.opacity + 0.05))
    strength = 0.35 + 0.5 * film.opacity
    for vein in film.veins:
        draw.line([tuple(p) for p in vein[:, :2]], fill=_rgb(film.vein_color, strength), width=2)
    draw.line([*edge, edge[0]], fill=_rgb(film.vein_color, strength), width=2)


def _paint_beads(canvas: "Image", beads: list[Bead], light: Light, rng: Generator) -> None:
    from PIL import Image

    left, top, right, bottom = box = _box(beads, canvas.size)
    if right <= left or bottom <= top:
        return
    color = np.asarray(canvas.crop(box)).astype(np.float32)
    depth = np.full(color.shape[:2], -np.inf, np.float32)
    grain = rng.random(color.shape[:2], dtype=np.float32) - np.float32(0.5)
    for bead in beads:
        x0, y0, x1, y1 = _box([bead], canvas.size)
        if x1 > x0 and y1 > y0:
            place = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
            hit = _look_at(bead, (x0, y0, x1, y1))
            nearer = hit.inside & (hit.depth > depth[place])
            depth[place][nearer] = hit.depth[nearer]
            color[place][nearer] = _shade(bead, hit, grain[place], light)[nearer]
    canvas.paste(Image.fromarray(color.clip(0, 255).astype(np.uint8)), (left, top))
    for bead in beads:
        if bead.skin.fur > 0:
            _paint_fur(canvas, bead, light, rng)


def _box(beads: list[Bead], size: tuple[int, int]) -> Box:
    reach = np.array([np.sqrt((bead.axes[:2] ** 2).sum(axis=1)) for bead in beads])
    centers = np.array([bead.center[:2] for bead in beads])
    x0, y0 = (int(v) for v in np.maximum((centers - reach).min(axis=0), 0))
    x1, y1 = (int(v) + 2 for v in (centers + reach).max(axis=0))
    return x0, y0, min(x1, size[0]), min(y1, size[1])


def _inverse(axes: Floats) -> Floats:
    (a, b, c), (d, e, f), (g, h, i) = axes.tolist()
    minors = [
        [e * i - f * h, c * h - b * i, b * f - c * e],
        [f * g - d * i, a * i - c * g, c * d - a * f],
        [d * h - e * g, b * g - a * h, a * e - b * d],
    ]
    volume = a * minors[0][0] + b * minors[1][0] + c * minors[2][0]
    inverse: Floats = np.array(minors) / volume
    return inverse


def _look_at(bead: Bead, box: Box) -> _Hit:
    """Meet the bead's surface along the camera's rays, one for each pixel of the box."""
    inverse = _inverse(bead.axes).astype(np.float32)
    x = (np.arange(box[0], box[2]) - bead.center[0]).astype(np.float32)[None, :]
    y = (np.arange(box[1], box[3]) - bead.center[1]).astype(np.float32)[:, None]
    # On the unit sphere that the bead is an image of, a ray is flat + ray · z.
    ray = inverse[:, 2]
    flat = [row[0] * x + row[1] * y for row in inverse]
    square = ray[0] * ray[0] + ray[1] * ray[1] + ray[2] * ray[2]
    half = flat[0] * ray[0] + flat[1] * ray[1] + flat[2] * ray[2]
    free = half * half - square * (
        flat[0] * flat[0] + flat[1] * flat[1] + flat[2] * flat[2] - np.float32(1)
    )
    z = (np.sqrt(np.maximum(free, 0)) - half) / square
    on = [f + r * z for f, r in zip(flat, ray, strict=True)]
    normal = [on[0] * i[0] + on[1] * i[1] + on[2] * i[2] for i in inverse.T]
    length = np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2)
    nx, ny, nz = (n / length for n in normal)
    return _Hit(free > 0, z + np.float32(bead.center[2]), on[0], (nx, ny, nz))


def _shade(bead: Bead, hit: _Hit, grain: Pixels, light: Light) -> Pixels:
    skin = bead.skin
    nx, ny, nz = hit.normal
    lamp = [np.float32(v) for v in light.direction]
    facing = np.maximum(nx * lamp[0] + ny * lamp[1] + nz * lamp[2], 0)
    bright = np.float32(light.ambient) + np.float32(1.15 - light.ambient) * facing
    bright *= (0.55 + 0.45 * nz) * (1 + 2 * np.float32(skin.mottle) * grain)
    share = np.clip((np.float32(skin.margin) - hit.along + grain * 0.25) * 6 + 0.5, 0, 1)
    base, band = (np.array(c, np.float32) for c in (skin.base, skin.band))
    color = (base + (band - base) * share[..., None]) * bright[..., None]
    # Halfway between lamp and viewer is where a glossy surface shines.
    shine = np.maximum((nx * lamp[0] + ny * lamp[1] + nz * (lamp[2] + 1)) * np.float32(0.56), 0)
    for _ in range(4):
        shine = shine * shine
    shine = np.minimum(shine, 1) * np.float32(230 * skin.gloss)
    result: Pixels = color + shine[..., None]
    return result


def _paint_fur(canvas: "Image", bead: Bead, light: Light, rng: Generator) -> None:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(canvas)
    size = float(np.sqrt((bead.axes**2).sum(axis=0)).mean())
    on = rng.uniform(-1, 1, (int(140 + 3 * size), 3))
    on = on / np.sqrt((on**2).sum(axis=1, keepdims=True))
    normal = on @ _inverse(bead.axes)
    normal = normal / np.sqrt((normal**2).sum(axis=1, keepdims=True))
    back = -bead.axes[:, 0] / np.sqrt((bead.axes[:, 0] ** 2).sum())
    lean = normal + 0.5 * back + rng.uniform(-0.3, 0.3, on.shape)
    roots = bead.center + on @ bead.axes.T
    tips = roots + lean * (bead.skin.fur * size * rng.uniform(0.6, 1.2, (len(on), 1)))
    bright = light.ambient + (1.25 - light.ambient) * np.maximum(normal @ light.direction, 0)
    bright = bright * rng.uniform(0.75, 1.25, len(on))
    banded = (on[:, :1] < bead.skin.margin) * np.array(bead.skin.band)
    plain = (on[:, :1] >= bead.skin.margin) * np.array(bead.skin.base)
    shades = ((banded + plain) * bright[:, None]).clip(0, 255).astype(int).tolist()
    hairs = np.concatenate([roots[:, :2], tips[:, :2]], axis=1).tolist()
    for k in np.flatnonzero(normal[:, 2] > -0.15).tolist():
        draw.line(hairs[k], fill=tuple(shades[k]), width=1)
