"""What a device computes in."""

import warnings
from types import SimpleNamespace

import pytest
import torch

from tlf.runtime.precision import PrecisionWarning, autocast, has_fast, usable

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def kernels(monkeypatch, *, bf16, fp16):
    supported = SimpleNamespace(
        _is_mkldnn_bf16_supported=lambda: bf16, _is_mkldnn_fp16_supported=lambda: fp16
    )
    monkeypatch.setattr(torch.ops, "mkldnn", supported)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)


def test_a_cpu_is_fast_where_onednn_has_kernels(monkeypatch):
    assert has_fast("no", CPU)
    assert not has_fast("fp8", CPU)
    kernels(monkeypatch, bf16=True, fp16=False)
    assert (has_fast("bf16", CPU), has_fast("fp16", CPU)) == (True, False)
    kernels(monkeypatch, bf16=False, fp16=True)
    assert (has_fast("bf16", CPU), has_fast("fp16", CPU)) == (False, True)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not has_fast("bf16", CPU)
    assert not has_fast("fp16", CPU)


@pytest.mark.parametrize("native", [True, False])
def test_a_gpu_is_fast_where_it_computes_in_16_bits_itself(monkeypatch, native):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert has_fast("fp16", GPU)
    assert has_fast("bf16", GPU) is native


def test_float32_takes_the_place_of_what_is_slow_and_says_so(monkeypatch):
    kernels(monkeypatch, bf16=True, fp16=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert usable("bf16", CPU) == "bf16"
        assert usable("no", CPU) == "no"
    with pytest.warns(PrecisionWarning, match="this CPU has no fast fp16: float32 is used instead"):
        assert usable("fp16", CPU) == "no"


@pytest.mark.parametrize(
    ("precision", "dtype"), [("no", torch.float32), ("bf16", torch.bfloat16)], ids=str
)
def test_a_layer_computes_in_the_precision(precision, dtype):
    with autocast(precision, CPU):
        assert torch.nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == dtype
