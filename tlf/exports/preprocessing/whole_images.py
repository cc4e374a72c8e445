"""The formats that can hold the preprocessing, and which preprocessing they can hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from tlf.errors import TlfError, WeightsError
from tlf.exports.formats import Source
from tlf.exports.preprocessing.onnx_graph import (
    add_to_graph,
    compute_with_graph,
    prepare_with_graph,
)
from tlf.exports.preprocessing.program import (
    add_to_program,
    compute_with_program,
    prepare_with_program,
)
from tlf.preprocessing import Preprocessing

_LEAVE_OUT = "leave --with-preprocessing out"


@dataclass(frozen=True)
class WholeImages:
    """How a format's file gets the preprocessing, and how to compute with it."""

    add: Callable[[Source, Path], None]
    """Rewrite a file that takes prepared images: it then takes whole ones."""
    prepare: Callable[[Source], Callable[[Tensor], Tensor]]
    """What the file does before the model: an image (H, W, C) → (1, C, S, S), float32."""
    compute: Callable[[Path], Callable[[Tensor], Tensor]]
    """The file: an image (H, W, C) → probabilities (K,)."""


WHOLE_IMAGES: Mapping[str, WholeImages] = {
    "onnx": WholeImages(add_to_graph, prepare_with_graph, compute_with_graph),
    "torch-export": WholeImages(add_to_program, prepare_with_program, compute_with_program),
}
"""The formats that ``--with-preprocessing`` is for."""


def find_whole_images(to: str) -> WholeImages:
    """How a format holds the preprocessing.

    Raises:
        TlfError: it cannot.
    """
    if to not in WHOLE_IMAGES:
        raise TlfError(
            f"--with-preprocessing needs --to onnx or torch-export, got --to {to}; write one of "
            f"them, or {_LEAVE_OUT}"
        )
    return WHOLE_IMAGES[to]


def check_preprocessing(how: Preprocessing) -> None:
    """Check that a file can do what a run does to images.

    Raises:
        WeightsError: it cannot.
    """
    if how.interpolation == "lanczos":
        raise WeightsError(
            "--with-preprocessing needs a backbone whose images are resized by nearest, bilinear "
            f"or bicubic interpolation, got lanczos, which no operator computes; {_LEAVE_OUT}"
        )
    if how.prepare:
        kinds = ", ".join(str(one["kind"]) for one in how.prepare)
        raise WeightsError(
            "--with-preprocessing needs images that no plugin prepares, got transforms.prepare "
            f"with {kinds}, whose code no file can hold; {_LEAVE_OUT}"
        )
