"""Small recipes, whose runs take seconds."""

import importlib.util
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w

SMALL: dict[str, Any] = {
    "batch_size": 8,
    "report": False,  # a busy machine may take its time
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
HEAD_ALONE = """
[[phases]]
name = "head"
freeze = "backbone"
epochs = 1
lr = 0.1
"""
TORCHVISION = """
[backbone]
kind = "torchvision"
model = "resnet18"
weights = "none"
[[phases]]
name = "all"
epochs = 1
lr = 0.01
"""

UNREADABLE = {
    "train/circles/000.jpg": "the file is empty",
    "train/squares/004.jpg": "not an image in a known format",
    "val/squares/004.jpg": "truncated",
    "val/squares/gone.jpg": "it holds a web page, SVG or XML, not pixels",
}
"""Unreadable files that the fixture ``spoilt`` makes → what is wrong with each."""

needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="onnx is not installed: pip install 'tlf[onnx]'",
)


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
