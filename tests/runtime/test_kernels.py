import os

import pytest
import torch

from tlf.runtime.kernels import Kernels

OTHER = Kernels(tf32=False, deterministic=True, cudnn_benchmark=True)


def switches():
    """torch's, older and newer: mixing them makes the older ones unreadable."""
    backends = torch.backends
    return (
        backends.cuda.matmul.allow_tf32,
        backends.cudnn.allow_tf32,
        torch.get_float32_matmul_precision(),
        backends.cuda.matmul.fp32_precision,
        backends.cudnn.conv.fp32_precision,
        backends.cudnn.rnn.fp32_precision,
        backends.cudnn.benchmark,
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )


@pytest.mark.parametrize(
    ("kernels", "inside"),
    [
        (OTHER, (False, False, "highest", "ieee", "none", "none", True, True, False)),
        (Kernels(tf32=True, deterministic=False, cudnn_benchmark=False),
         (True, True, "high", "tf32", "tf32", "tf32", False, False, False)),
    ],
)  # fmt: skip
def test_settings_hold_inside_the_block_and_not_behind_it(kernels, inside):
    before = switches()
    with kernels.used_on(torch.device("cuda")):
        assert switches() == inside
    assert switches() == before


def test_what_a_program_has_set_comes_back():
    before = switches()
    try:
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.use_deterministic_algorithms(True, warn_only=True)
        own = switches()
        with OTHER.used_on(torch.device("cuda")):
            assert switches() != own
        assert switches() == own
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before[0]
        torch.backends.cuda.matmul.fp32_precision = before[3]
        torch.use_deterministic_algorithms(False)


def test_nothing_is_set_on_a_cpu():
    before = switches()
    with OTHER.used_on(torch.device("cpu")):
        assert switches() == before


def test_the_workspace_of_cublas_is_fixed_for_determinism_alone(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    Kernels(tf32=True, deterministic=False, cudnn_benchmark=False).reserve()
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    OTHER.reserve()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    OTHER.reserve()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
