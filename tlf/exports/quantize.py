"""ONNX graphs in 8 bits: weights and activations as integers with scales."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tlf.errors import require


def quantize(path: Path, images: Tensor) -> None:
    """Replace an ONNX graph by its 8-bit version.

    Weights get a scale for each output channel; activations get a range from images.

    Source: Jacob et al. 2017, arXiv:1712.05877.

    Parameters:
        path: the graph's file.
        images: images (N, C, S, S) for the ranges of activations.

    Raises:
        RunError: its packages are not installed.
    """
    require("onnx", "onnxruntime", extra="onnx")
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".tlf-") as folder:
        prepared, quantized = Path(folder, "prepared.onnx"), Path(folder, "quantized.onnx")
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared), str(quantized), _Images(images), quant_format=QuantFormat.QDQ,
            per_channel=True, weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8,
        )  # fmt: skip
        _copy_metadata(path, quantized)
        path.write_bytes(quantized.read_bytes())


class _Images:
    """Gives onnxruntime one image at a time, and None at the end."""

    def __init__(self, images: Tensor) -> None:
        self.left: Iterator[Tensor] = iter(torch.split(images, 1))

    def get_next(self) -> dict[str, Any] | None:
        image = next(self.left, None)
        return None if image is None else {"images": image.contiguous().numpy()}


def _copy_metadata(source: Path, target: Path) -> None:
    import onnx

    metadata = onnx.load(source).metadata_props
    model = onnx.load(target)
    onnx.helper.set_model_props(model, {item.key: item.value for item in metadata})
    onnx.save(model, target)
