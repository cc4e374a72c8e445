"""Small recipes, whose runs take seconds."""

import tomllib
from pathlib import Path
from typing import Any

import tomli_w

SMALL: dict[str, Any] = {
    "batch_size": 8,
    "transforms": {"size": 32, "resize": 36},
    "backbone": {"kind": "timm", "model": "test_resnet.r160_in1k", "weights": "none"},
}
RESNET18 = """
batch_size = 4
seed = 3
[transforms]
size = 48
resize = 56
[backbone]
kind = "torchvision"
model = "resnet18"
weights = "none"
"""
TWO_PHASES = """
[[phases]]
name = "head"
freeze = "backbone"
epochs = 1
lr = 0.1
[[phases]]
name = "all"
epochs = 2
lr = 0.01
layer_decay = 0.5
"""


def write_recipe(path: Path, images: Path, text: str, output: str = "run") -> Path:
    """Write a recipe for a folder of images.

    Parameters:
        path: the file.
        images: the folder.
        text: TOML: what the recipe says beside ``SMALL``; a key that is there too takes its place.
        output: the name of the run's folder, which lies beside the file.
    """
    data = {"kind": "folder", "root": str(images)}
    places = {"output": str(path.parent / output), "data": data}
    path.write_text(tomli_w.dumps(SMALL | places | tomllib.loads(text)))
    return path
