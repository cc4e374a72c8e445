"""Runs that are stopped in the middle."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from small import write_recipe
from tlf.errors import StoppedError
from tlf.events import Updated
from tlf.runs.run import run

COMMON = """
batch_size = 4
accumulate = 2
clip_grad_norm = 1.0
checkpoint_every = { updates = 1 }
[transforms]
size = 32
resize = 36
augment = ["crop-flip", "mixup"]
[head]
kind = "linear"
dropout = 0.3
"""
PHASES = """
[[phases]]
name = "head"
freeze = "backbone"
epochs = 1
lr = 0.01
optimizer = "sgd"
[[phases]]
name = "thaw"
freeze = { kind = "gradual", thaw = 2 }
epochs = 3
lr = 0.003
layer_decay = 0.8
ema = 0.9
optimizer = "sgd"
scheduler = { kind = "cosine", warmup = 0.2 }
early_stopping = { patience = 2 }
"""
RECIPE = COMMON + PHASES
HEAD_ALONE = """
batch_size = 4
checkpoint_every = { updates = 1 }
[[phases]]
name = "head"
freeze = "backbone"
epochs = 2
lr = 0.01
"""


def write(
    folder: Path, images: Path, name: str = "recipe", text: str = RECIPE
) -> tuple[Path, Path]:
    """A recipe, and the folder of its run, which is called the same."""
    return write_recipe(folder / f"{name}.toml", images, text, output=name), folder / name


def stop_after(path: Path, updates: int, overrides: Sequence[str] = ()) -> str:
    """Stop at an update as a signal does, and give the error's message."""
    try:
        updated = (event for event in run(path, overrides) if isinstance(event, Updated))
        for number, _ in enumerate(updated):
            if number == updates:
                os.kill(os.getpid(), signal.SIGTERM)
    except StoppedError as stopped:
        return str(stopped)
    raise AssertionError("the run was not stopped")
