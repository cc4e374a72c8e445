"""Too little memory is recognized, whichever part of torch reports it."""

import pytest
import torch

from tlf.cli.out_of_memory import explain_out_of_memory


def test_what_torch_cannot_allocate():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**50)
    found = explain_out_of_memory(raised.value)
    assert found.startswith("the machine has too little memory: 4,194,304.00 GiB more were")


def test_what_python_cannot_allocate():
    with pytest.raises(MemoryError) as raised:
        bytearray(2**50)
    assert explain_out_of_memory(raised.value).startswith(
        "the machine has too little memory; write a smaller"
    )


@pytest.mark.gpu
def test_what_a_gpu_cannot_allocate():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**50, device="cuda")
    assert explain_out_of_memory(raised.value).startswith("the GPU has too little memory: ")


def test_other_errors():
    assert explain_out_of_memory(RuntimeError("shapes cannot be multiplied")) is None
