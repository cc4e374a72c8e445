"""ONNX in 8 bits."""

from pathlib import Path

import pytest

import tlf as package
from small import needs_onnx
from tlf.errors import WeightsError


@needs_onnx
def test_8_bits_within_the_margin_or_not_at_all(run_copy, monkeypatch):
    import onnx

    found = package.export(run_copy, "onnx", int8=True, margin=1.0)
    graph = onnx.load(found.path)
    kinds = {node.op_type for node in graph.graph.node}
    assert "QuantizeLinear" in kinds
    assert onnx.TensorProto.INT8 in {tensor.data_type for tensor in graph.graph.initializer}
    assert "tlf" in {item.key for item in graph.metadata_props}
    assert Path(found.path).stat().st_size < (run_copy / "model.safetensors").stat().st_size / 2
    top1 = iter((1.0, 0.0))  # of the model in float32, and in 8 bits
    monkeypatch.setattr("tlf.exports.parity.Sample.evaluate", lambda self, p: {"top1": next(top1)})
    with pytest.raises(WeightsError, match=r"8 bits cost 100\.00% of top-1 on 11 images"):
        package.export(run_copy, "onnx", run_copy / "small.onnx", int8=True)
    assert not list(run_copy.glob("*small.onnx*"))
