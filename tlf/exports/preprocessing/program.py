"""A program of torch.export that prepares an image itself.

It resizes in float32, one direction after the other, and rounds after each, as Pillow does.
"""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from tlf.data.transforms import dtype_of
from tlf.exports.formats import Source, save_program, tracing
from tlf.exports.preprocessing.outputs import Outputs, about
from tlf.preprocessing import Preprocessing

_LONGEST = 2**20
"""The longest side of an image, in pixels."""


class Prepared(nn.Module):
    """An image (H, W, C), uint8 or uint16 → the input of a model (1, C, S, S), float32."""

    mean: Tensor
    std: Tensor

    def __init__(self, how: Preprocessing) -> None:
        """Take a preprocessing."""
        super().__init__()
        self.how = how
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(getattr(how, name)).view(-1, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Resize, crop and normalize."""
        height, width = self._sides(*image.shape[:2])
        values = image.permute(2, 0, 1)[None].to(torch.float32)
        values = self._cropped(self._resized(values, image.shape[0], width), 3)
        values = self._cropped(self._resized(values, height, values.shape[3]), 2)
        if self.how.depth == 16:
            values = values.round().clamp(0, self.how.largest)
        return (values / self.how.largest - self.mean) / self.std

    def _sides(self, height: int, width: int) -> tuple[int, int]:
        if self.how.crop == "squash":
            return self.how.size, self.how.size
        shorter: Any = torch.sym_min(height, width)  # a symbol while it is traced
        return self.how.resize * height // shorter, self.how.resize * width // shorter

    def _resized(self, values: Tensor, height: int, width: int) -> Tensor:
        if self.how.interpolation == "nearest":
            return interpolate(values, (height, width), mode="nearest-exact")
        mode = self.how.interpolation
        values = interpolate(values, (height, width), mode=mode, antialias=True)
        return (values + 0.5).floor().clamp(0, 255) if self.how.depth == 8 else values

    def _cropped(self, values: Tensor, dimension: int) -> Tensor:
        """The middle; half a pixel is rounded to an even one, as in Python."""
        beyond = values.shape[dimension] - self.how.size
        return values.narrow(dimension, (beyond + beyond % 4 // 3) // 2, self.how.size)


def add_to_program(source: Source, path: Path) -> None:
    """Make a program of prepared images one of an image (H, W, C) → what ``Outputs`` gives."""
    how = source.metadata.preprocessing
    # The model is in channels-last memory format; a program holds contiguous tensors.
    model = deepcopy(source.classifier.model).to(memory_format=torch.contiguous_format)
    whole = nn.Sequential(Prepared(how), model, Outputs(source.metadata)).eval()
    sides = {side: torch.export.Dim(name, min=1, max=_LONGEST)
             for side, name in enumerate(("height", "width"))}  # fmt: skip
    example = torch.zeros(how.size + 3, how.size + 5, how.channels, dtype=dtype_of(how))
    with tracing("torch-export"):
        program = torch.export.export(whole, (example,), dynamic_shapes=(sides,))
        save_program(program, path, about(source))


def prepare_with_program(source: Source) -> Callable[[Tensor], Tensor]:
    """The part of the program in front of the model."""
    return Prepared(source.metadata.preprocessing)


def compute_with_program(path: Path) -> Callable[[Tensor], Tensor]:
    """The whole program, loaded by torch: an image (H, W, C) → probabilities (K,)."""
    with path.open("rb") as file:
        module = torch.export.load(file).module()
    return lambda image: module(image)[0]
