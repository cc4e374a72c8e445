"""ONNX graphs in 8 bits: weights and activations as integers with a scale each."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tlf.exports.formats import needs


def quantize(path: Path, images: Tensor) -> None:
    """Replace an ONNX graph by the same in 8 bits.

    Weights have a scale for each output channel; ranges of activations are taken from images.

    Source: Jacob et al. 2017, arXiv:1712.05877.

    Parameters:
        path: the graph's file.
        images: images (N, C, S, S) that ranges are taken from.

    Raises:
        RunError: the packages for it are not installed.
    """
    needs("onnx", "onnxruntime")
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".tlf-") as folder:
        plain, small = Path(folder, "plain.onnx"), Path(folder, "small.onnx")
        quant_pre_process(str(path), str(plain), skip_symbolic_shape=True)
        quantize_static(
            str(plain), str(small), _Images(images), quant_format=QuantFormat.QDQ,
            per_channel=True, weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8,
        )  # fmt: skip
        _carry_over(path, small)
        path.write_bytes(small.read_bytes())


class _Images:
    """Images as onnxruntime asks for them: one after the other, and in the end nothing."""

    def __init__(self, images: Tensor) -> None:
        self.left: Iterator[Tensor] = iter(torch.split(images, 1))

    def get_next(self) -> dict[str, Any] | None:
        image = next(self.left, None)
        return None if image is None else {"images": image.contiguous().numpy()}


def _carry_over(path: Path, small: Path) -> None:
    import onnx

    told = onnx.load(path).metadata_props
    model = onnx.load(small)
    onnx.helper.set_model_props(model, {item.key: item.value for item in told})
    onnx.save(model, small)
