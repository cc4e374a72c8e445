"""Devices and types of number that a program asks for."""

import pytest
import torch

from tlf.errors import RunError
from tlf.inference.placement import find_device, find_dtype


def test_a_device_may_be_a_name_or_torchs_own():
    assert find_device("cpu") == find_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta", "", "mtia", None, "c" * 1000])
def test_a_device_that_is_not_there_is_refused(device):
    with pytest.raises(RunError, match=r"^device must be one of cpu.* here, got .*: .+; leave it"):
        find_device(device)


def test_why_a_device_is_refused_is_said_in_few_words():
    with pytest.raises(RunError, match="got 'gpu': it is no name of a device; leave it out for"):
        find_device("gpu")


@pytest.mark.parametrize("dtype", ["float16", torch.float16, "torch.float16", torch.half])
def test_a_type_may_be_a_name_or_torchs_own(dtype):
    assert find_dtype(dtype) == torch.float16


@pytest.mark.parametrize("dtype", ["int8", torch.int32, "fp16", "float8_e5m2", "nn", "", 16])
def test_a_type_that_no_network_computes_in_is_refused(dtype):
    with pytest.raises(RunError, match=r"^dtype must be one of float32, float16, bfloat16"):
        find_dtype(dtype)
