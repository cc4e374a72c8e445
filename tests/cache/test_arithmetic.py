"""A setting that may change the bits of a result changes the key."""

import pytest
import torch

from tlf.cache.arithmetic import computed
from tlf.runtime.devices import start_accelerator


@pytest.fixture
def changed():
    """Whether a change of a setting changes the key."""

    def changed(change):
        accelerator = start_accelerator("no")
        before = computed(accelerator)
        assert computed(accelerator) == before
        change()
        return computed(accelerator) != before

    return changed


@pytest.mark.parametrize(
    "name",
    ["ONEDNN_DEFAULT_FPMATH_MODE", "NVIDIA_TF32_OVERRIDE", "TIMM_FUSED_ATTN", "MKL_CBWR"],
)
def test_environment_variables_of_the_libraries(changed, monkeypatch, name):
    assert changed(lambda: monkeypatch.setenv(name, "1"))


def test_other_environment_variables_change_nothing(changed, monkeypatch):
    assert not changed(lambda: monkeypatch.setenv("TLF_ANYTHING", "1"))


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (torch.backends.mkldnn.matmul, "fp32_precision", "bf16"),
        (torch.backends.mkldnn.conv, "fp32_precision", "bf16"),
        (torch.backends.cuda.matmul, "fp32_precision", "tf32"),
        (torch.backends.cudnn, "deterministic", True),
    ],
)
def test_switches_of_torch(changed, owner, name, value):
    before = getattr(owner, name)
    try:
        assert changed(lambda: setattr(owner, name, value))
    finally:
        setattr(owner, name, before)


def test_threads(changed, threads):
    assert changed(lambda: threads(torch.get_num_threads() + 1))
