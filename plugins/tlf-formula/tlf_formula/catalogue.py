"""The classes: a name for each, and the function that draws what it looks like."""

from collections.abc import Callable
from functools import partial
from math import pi

from numpy.random import Generator

from tlf_formula import bodies, fractals, shapes, textures
from tlf_formula.scene import Figure, Surface

Draw = Callable[[Generator, int], Figure | Surface]
"""The image's random generator and the side of the image in pixels → what is in it."""


def _figure(draw: Callable[[Generator], shapes.Parts]) -> Draw:
    return partial(_put_together, draw)


def _put_together(
    draw: Callable[[Generator], shapes.Parts], rng: Generator, size: int
) -> Figure | Surface:
    return Figure(tuple(draw(rng)))


def _surface(draw: Callable[[Generator, int], textures.Pixels]) -> Draw:
    return partial(_spread_out, draw)


def _spread_out(
    draw: Callable[[Generator, int], textures.Pixels], rng: Generator, size: int
) -> Figure | Surface:
    return Surface(draw(rng, size))


def _outlines() -> dict[str, Callable[[Generator], shapes.Parts]]:
    return {
        "triangle": partial(shapes.polygon, corners=3),
        "quadrangle": partial(shapes.polygon, corners=4),
        "hexagon": partial(shapes.polygon, corners=6),
        "star 4": partial(shapes.star, points=4),
        "star 5": partial(shapes.star, points=5),
        "star 7": partial(shapes.star, points=7),
        "star 12": partial(shapes.star, points=12),
        "lobes 2": partial(shapes.lobes, count=2),
        "lobes 3": partial(shapes.lobes, count=3),
        "lobes 5": partial(shapes.lobes, count=5),
        "lobes 8": partial(shapes.lobes, count=8),
        "gear 8": partial(shapes.gear, teeth=8),
        "gear 14": partial(shapes.gear, teeth=14),
        "crescent": shapes.crescent,
        "drop": shapes.drop,
        "heart": shapes.heart,
        "arrow": shapes.arrow,
        "cross": shapes.cross,
        "nested triangles": partial(shapes.nested, corners=3),
        "nested squares": partial(shapes.nested, corners=4),
        "beads 6": partial(shapes.beads, count=6),
        "beads 9": partial(shapes.beads, count=9),
        "petals 3": partial(shapes.petals, count=3),
        "petals 5": partial(shapes.petals, count=5),
        "petals 8": partial(shapes.petals, count=8),
        "lenses 2": partial(shapes.lenses, count=2),
        "lenses 3": partial(shapes.lenses, count=3),
    }


def _curves() -> dict[str, Callable[[Generator], shapes.Parts]]:
    return {
        "rose 3": partial(shapes.rose, petals=3),
        "rose 5": partial(shapes.rose, petals=5),
        "rose 8": partial(shapes.rose, petals=8),
        "lissajous 1 2": partial(shapes.lissajous, across=1, down=2),
        "lissajous 3 4": partial(shapes.lissajous, across=3, down=4),
        "spiral 2": partial(shapes.spiral, turns=2),
        "spiral 4": partial(shapes.spiral, turns=4),
        "wave 2": partial(shapes.wave, periods=2, sharp=False),
        "zigzag 4": partial(shapes.wave, periods=4, sharp=True),
        "coil 5": partial(shapes.coil, loops=5),
        "arc": partial(shapes.arcs, count=1, opening=1.8),
        "ripples": partial(shapes.arcs, count=3, opening=3.6),
        "spokes 3": partial(shapes.spokes, count=3),
        "spokes 6": partial(shapes.spokes, count=6),
        "spokes 11": partial(shapes.spokes, count=11),
        "knobs 5": partial(shapes.spokes, count=5, knobs=True),
        "elbows 1": partial(shapes.bent_pair, bends=1),
        "elbows 2": partial(shapes.bent_pair, bends=2),
        "comb": partial(shapes.comb, teeth=8, both=False),
        "feather": partial(shapes.comb, teeth=10, both=True),
        "ladder": partial(shapes.ladder, rungs=6),
    }


def _chains() -> dict[str, Callable[[Generator], shapes.Parts]]:
    one, two, pear = ((1,), (0.7,)), ((1, 1), (0.8, 0.8)), ((0.5, 1.2), (0.45, 0.9))
    even, waist = ((0.7, 0.7, 0.7), (0.6, 0.6, 0.6)), ((0.6, 0.3, 1.1), (0.55, 0.22, 0.7))
    rod = ((0.35, 0.5, 2.0), (0.32, 0.4, 0.22))
    many = ((0.5,) * 6, (0.5,) * 6)
    plans = {
        "oval": (one, {}),
        "oval, 2 pairs": (one, {"legs": 2}),
        "oval, 4 pairs": (one, {"legs": 4}),
        "oval, 7 pairs": (one, {"legs": 7}),
        "oval, feelers": (one, {"feelers": True}),
        "oval, fuzzy": (one, {"fuzzy": True}),
        "pair": (two, {}),
        "pair, 3 pairs": (two, {"legs": 3}),
        "pear": (pear, {}),
        "pear, 4 pairs": (pear, {"legs": 4}),
        "pear, feelers": (pear, {"legs": 2, "feelers": True}),
        "pear, fuzzy": (pear, {"fuzzy": True}),
        "three": (even, {}),
        "three, 2 pairs": (even, {"legs": 2}),
        "three, fuzzy": (even, {"fuzzy": True}),
        "waist": (waist, {}),
        "waist, 2 pairs": (waist, {"legs": 2}),
        "waist, 5 pairs": (waist, {"legs": 5}),
        "rod": (rod, {}),
        "rod, 3 pairs": (rod, {"legs": 3}),
        "many": (many, {}),
        "many, feelers": (many, {"feelers": True}),
    }
    return {name: partial(bodies.chain, lengths=plan[0], widths=plan[1], **more)  # type: ignore[arg-type]
            for name, (plan, more) in plans.items()}  # fmt: skip


def _marks() -> dict[str, Callable[[Generator], shapes.Parts]]:
    return {
        "stripes 2": partial(bodies.marked, mark="stripes", count=2),
        "stripes 4": partial(bodies.marked, mark="stripes", count=4),
        "stripes 7": partial(bodies.marked, mark="stripes", count=7),
        "stripes 4, fuzzy": partial(bodies.marked, mark="stripes", count=4, fuzzy=True),
        "lines 3": partial(bodies.marked, mark="lines", count=3),
        "spots 3": partial(bodies.marked, mark="spots", count=3),
        "spots 8": partial(bodies.marked, mark="spots", count=8),
        "spots 20": partial(bodies.marked, mark="spots", count=20),
        "rings 3": partial(bodies.marked, mark="rings", count=3),
        "halves": partial(bodies.marked, mark="halves"),
        "collar": partial(bodies.marked, mark="collar"),
        "wings 1": partial(bodies.winged, pairs=1, thick=0.35, fat=0.35),
        "wings 1, thin body": partial(bodies.winged, pairs=1, thick=0.1, fat=0.4),
        "wings 2, thin body": partial(bodies.winged, pairs=2, thick=0.1, fat=0.14),
        "wings 2, unequal": partial(bodies.winged, pairs=2, thick=0.25, second=0.6),
        "wings 3": partial(bodies.winged, pairs=3, thick=0.15, fat=0.16),
        "wings 1, striped body": partial(bodies.winged, pairs=1, thick=0.3, stripes=5),
        "wings 2, veined": partial(bodies.winged, pairs=2, thick=0.15, fat=0.4, veins=True),
    }


def _growth() -> dict[str, Callable[[Generator], shapes.Parts]]:
    plants: dict[str, Callable[[Generator], shapes.Parts]] = {
        "bush": partial(
            fractals.plant, start="F", rules={"F": "FF[+F][-F]"}, times=3, degrees=26, loose=0.3
        ),
        "fern": partial(
            fractals.plant,
            start="X",
            rules={"X": "F[+X][-X]FX", "F": "FF"},
            times=4,
            degrees=32,
            loose=0.15,
        ),
        "fork": partial(
            fractals.plant, start="X", rules={"X": "FF[+X][-X]"}, times=6, degrees=28, loose=0.3
        ),
        "twig": partial(
            fractals.plant, start="X", rules={"X": "F[+FF]F[-FF]X"}, times=5, degrees=48, loose=0.3
        ),
        "snowflake": partial(
            fractals.plant, start="F--F--F", rules={"F": "F+F--F+F"}, times=3, degrees=60, loose=0
        ),
        "dragon": partial(
            fractals.plant, start="F", rules={"F": "F+G", "G": "F-G"}, times=8, degrees=90, loose=0
        ),
        "arrowhead": partial(
            fractals.plant,
            start="F",
            rules={"F": "G-F-G", "G": "F+G+F"},
            times=5,
            degrees=60,
            loose=0,
        ),
    }
    systems = {f"system {n}": partial(fractals.attractor, variant=n) for n in (0, 2, 4, 27)}
    return plants | systems


def _textures() -> dict[str, Callable[[Generator, int], textures.Pixels]]:
    return {
        "bars": partial(textures.grating, waves=7),
        "wavy bars": partial(textures.grating, waves=6, wavy=1.5),
        "zigzag bars": partial(textures.zigzag_bars, waves=5),
        "checkers": partial(textures.checkers, waves=6),
        "bricks": partial(textures.bricks, rows=5),
        "honeycomb": partial(textures.hexagons, waves=6, gap=-0.9),
        "dots": partial(textures.dots, waves=4.5, radius=0.28),
        "loops": partial(textures.dots, waves=3.5, radius=-0.32),
        "scales": partial(textures.scales, rows=4.5),
        "weave": partial(textures.weave, waves=5),
        "target": partial(textures.circles, waves=9),
        "swirl": partial(textures.circles, waves=6, arms=3),
        "rays": partial(textures.circles, waves=0, arms=9),
        "wood": partial(textures.rings_of_wood, waves=5),
        "net": partial(textures.net, waves=5, angle=pi / 2.6),
        "walls": partial(textures.cells, count=40, kind="walls"),
        "panes": partial(textures.cells, count=45, kind="panes"),
        "stones": partial(textures.cells, count=60, kind="stones"),
        "labyrinth": partial(textures.band_noise, waves=10, threshold=0.0, sharp=6),
        "blots": partial(textures.band_noise, waves=9, threshold=1.1, sharp=6),
        "fur": partial(textures.strokes, count=700, spread=0.25),
    }


def catalogue() -> dict[str, Draw]:
    """Every class in order: its name, and how to draw it."""
    figures = _outlines() | _curves() | _chains() | _marks() | _growth()
    return {name: _figure(draw) for name, draw in figures.items()} | {
        name: _surface(draw) for name, draw in _textures().items()
    }
