"""An ONNX graph that prepares an image, in front of the graph of a model.

onnxruntime resizes uint8 images as Pillow does: with antialiasing, in fixed point, rounded after
each of the two directions. Its coefficients are of float32, Pillow's of float64, so a value may be
one grey level off.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tlf.errors import require
from tlf.exports.formats import Source, tracing
from tlf.exports.preprocessing.outputs import Outputs, about, output_names
from tlf.inference.onnx_file import open_session
from tlf.preprocessing import Preprocessing

Model = Any
"""An ``onnx.ModelProto``: onnx has no types."""

OPSET = 18
"""The oldest version of ONNX's operators whose ``Resize`` has antialiasing."""

IR = 8
"""The version of ONNX's format that came with it."""

_RESIZE = {
    "nearest": 'mode = "nearest", nearest_mode = "round_prefer_ceil"',
    "bilinear": 'mode = "linear", antialias = 1, exclude_outside = 1',
    "bicubic": 'mode = "cubic", antialias = 1, exclude_outside = 1, cubic_coeff_a = -0.5',
}
"""What Pillow's resampling is for the operator ``Resize``."""

_SHORTER_SIDE = """
    resize = Constant <value_ints = [{shorter}]> ()
    sides = Shape <start = 0, end = 2> (image)
    shorter = ReduceMin <keepdims = 1> (sides)
    longer = Mul (sides, resize)
    resized = Div (longer, shorter)
"""
"""The shorter side becomes ``resize``; a division of whole numbers rounds down."""

_CROP = """
    two = Constant <value_float = 2.0> ()
    axes = Constant <value_ints = [2, 3]> ()
    beyond = Sub (resized, size)
    halves = Cast <to = 1> (beyond)
    margins = Div (halves, two)
    rounded = Round (margins)
    first = Cast <to = 7> (rounded)
    end = Add (first, size)
    cropped = Slice (large, first, end, axes)
"""
"""``Round`` rounds halves to even, as Python does."""

_EIGHT_BITS = """
    large = Resize <{resize}> (planes, , , sizes)
    {crop}
    values = Cast <to = 1> (cropped)
"""

_SIXTEEN_BITS = """
    wide = Cast <to = 1> (planes)
    large = Resize <{resize}> (wide, , , sizes)
    {crop}
    black = Constant <value_float = 0.0> ()
    whole = Round (cropped)
    values = Clip (whole, black, white)
"""
"""Pillow resizes values of 16 bits as numbers of floating point, and rounds once."""

_GRAPH = """
<ir_version: {ir}, opset_import: ["": {opset}]>
prepare ({type}[height, width, {channels}] image) => (float[1, {channels}, {side}, {side}] images)
<
    int64[2] size = {{{side}, {side}}}, int64[2] front = {{1, {channels}}}, int64[1] batch = {{0}},
    float white = {{{white}}},
    float[{channels}, 1, 1] mean = {{{mean}}}, float[{channels}, 1, 1] std = {{{std}}}
>
{{
    {resized}
    sizes = Concat <axis = 0> (front, resized)
    channels_first = Transpose <perm = [2, 0, 1]> (image)
    planes = Unsqueeze (channels_first, batch)
    {values}
    scaled = Div (values, white)
    centred = Sub (scaled, mean)
    images = Div (centred, std)
}}
"""


def prepare_graph(how: Preprocessing, opset: int, ir: int) -> Model:
    """The graph ``image`` (H, W, C), uint8 or uint16 → ``images`` (1, C, S, S), float32.

    Parameters:
        how: the preprocessing.
        opset: the version of ONNX's operators, 18 or newer.
        ir: the version of ONNX's format.
    """
    import onnx

    squash = how.crop == "squash"
    resized = "resized = Identity (size)" if squash else _SHORTER_SIDE.format(shorter=how.resize)
    crop = "cropped = Identity (large)" if squash else _CROP
    values = _EIGHT_BITS if how.depth == 8 else _SIXTEEN_BITS
    return onnx.parser.parse_model(
        _GRAPH.format(
            ir=ir, opset=opset, type=f"uint{how.depth}", channels=how.channels, side=how.size,
            white=how.largest, mean=_numbers(how.mean), std=_numbers(how.std), resized=resized,
            values=values.format(resize=_RESIZE[how.interpolation], crop=crop),
        )
    )  # fmt: skip


def add_to_graph(source: Source, path: Path) -> None:
    """Make a file of ``images`` → ``logits`` one of ``image`` → what ``Outputs`` gives.

    Raises:
        RunError: its packages are not installed.
    """
    require("onnx", "onnxscript", extra="onnx")
    import onnx

    model = onnx.load(path)
    opset = next(one.version for one in model.opset_import if not one.domain)
    prepare = prepare_graph(source.metadata.preprocessing, opset, model.ir_version)
    before, within, after = (
        onnx.compose.add_prefix(part, f"{name}.", rename_inputs=False, rename_outputs=False)
        for name, part in (
            ("prepare", prepare),
            ("model", model),
            ("outputs", _outputs_graph(source, opset, model.ir_version)),
        )
    )
    upto_logits = onnx.compose.merge_models(before, within, io_map=[("images", "images")])
    whole = onnx.compose.merge_models(upto_logits, after, io_map=[("logits", "logits")])
    onnx.helper.set_model_props(whole, {"tlf": about(source)})
    onnx.save(whole, path)


def prepare_with_graph(source: Source) -> Callable[[Tensor], Tensor]:
    """The part of the graph in front of the model, run by onnxruntime."""
    graph = prepare_graph(source.metadata.preprocessing, OPSET, IR)
    return _computing(graph.SerializeToString(), "images")


def compute_with_graph(path: Path) -> Callable[[Tensor], Tensor]:
    """The whole graph, run by onnxruntime: an image (H, W, C) → probabilities (K,)."""
    return _computing(path, "probabilities")


def _computing(graph: Path | bytes, output: str) -> Callable[[Tensor], Tensor]:
    session = open_session(graph)

    def compute(image: Tensor) -> Tensor:
        (found,) = session.run([output], {"image": image.numpy()})
        return torch.from_numpy(found)

    return compute


def _outputs_graph(source: Source, opset: int, ir: int) -> Model:
    """The graph behind that of the model: ``logits`` (1, K) → the outputs."""
    with tracing("onnx"):
        program: Any = torch.onnx.export(
            Outputs(source.metadata).eval(), (torch.zeros(1, len(source.metadata.classes)),),
            input_names=["logits"], output_names=output_names(source.metadata),
            opset_version=opset, dynamo=True, verbose=False,
        )  # fmt: skip
    graph = program.model_proto
    graph.ir_version = ir
    return graph


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(map(repr, values))
