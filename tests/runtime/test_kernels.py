import os

import torch

from tlf.runtime.kernels import Kernels, _now

OTHER = Kernels(tf32=False, deterministic=True, cudnn_benchmark=True)


def test_settings_hold_inside_the_block_and_not_behind_it():
    before = _now()
    with OTHER.used_on(torch.device("cuda")):
        assert _now() == OTHER
        # What fuses kernels reads torch's newer switches.
        assert torch.backends.cuda.matmul.fp32_precision == "ieee"
    assert _now() == before


def test_nothing_is_set_on_a_cpu():
    before = _now()
    with OTHER.used_on(torch.device("cpu")):
        assert _now() == before != OTHER


def test_the_workspace_of_cublas_is_fixed_for_determinism_alone(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    Kernels(tf32=True, deterministic=False, cudnn_benchmark=False).reserve()
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    OTHER.reserve()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    OTHER.reserve()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
