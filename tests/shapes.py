"""Images of several shapes at once, with a list of which shapes each of them shows."""

from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from PIL import Image

from small import SMALL

INKS = {"blue": (40, 60, 230), "green": (40, 190, 60), "red": (220, 40, 40)}
"""Class → the colour of its square."""
SIDE = 24


def draw_shapes(root: Path, train: int, val: int, seed: int = 0) -> Path:
    """A list of images, of which each shows any of the squares, or none: the path of the list."""
    random = np.random.default_rng(seed)
    lines = ["path,label,split"]
    for split, count in {"train": train, "val": val}.items():
        for number in range(count):
            shown = [name for name in INKS if random.random() < 0.4]
            if number < 2:  # each class in both splits, and an image without any
                shown = [*INKS] if number else []
            name = f"{split}{number:03}.png"
            _draw(shown, random).save(root / name)
            lines.append(f"{name},{'|'.join(shown)},{split}")
    path = root / "list.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def _draw(shown: list[str], random: np.random.Generator) -> Image.Image:
    pixels = random.integers(0, 90, (SIDE, SIDE, 3), dtype=np.uint8)
    for place, name in enumerate(INKS):
        if name in shown:
            left = 8 * place
            pixels[random.integers(0, 16) :][:8, left : left + 8] = INKS[name]
    return Image.fromarray(pixels)


def shapes_recipe(path: Path, table: Path, changes: dict[str, Any]) -> Path:
    """Write a recipe for such a list, beside which its run's folder ``run`` lies."""
    content = SMALL | {
        "task": "multi-label",
        "output": str(path.parent / "run"),
        "data": {"kind": "csv", "file": str(table), "label_separator": "|"},
        "phases": [{"name": "head", "freeze": "backbone", "epochs": 3, "lr": 0.1}],
    }
    path.write_text(tomli_w.dumps(content | changes))
    return path
