"""Too little memory is recognized, whichever part of torch reports it."""

import os
import signal

import pytest
import torch
from torch.utils.data import DataLoader

from tlf.cli.out_of_memory import explain_out_of_memory


class Killed(torch.utils.data.Dataset):
    """A process that loads an image is killed."""

    def __init__(self, by):
        self.by = by

    def __len__(self):
        return 8

    def __getitem__(self, index):
        os.kill(os.getpid(), self.by)


@pytest.mark.parametrize(
    ("by", "message"),
    [
        (signal.SIGKILL, "was killed, probably because the machine ran out of memory; write fewer"),
        (signal.SIGBUS, "too little shared memory; write workers = 0, or give the container more"),
        (signal.SIGSEGV, None),
    ],
)
def test_a_worker_that_is_killed(by, message):
    with pytest.raises(RuntimeError, match="DataLoader worker") as raised:
        next(iter(DataLoader(Killed(by), num_workers=1)))
    found = explain_out_of_memory(raised.value)
    assert found is None if message is None else message in found


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
