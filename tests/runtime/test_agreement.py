"""Numbers that processes exchange on the host."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import distributed

from tlf.runtime.agreement import host_group, summed

ALONE = SimpleNamespace(num_processes=1, device=torch.device("cuda"))


def test_one_process_waits_for_nobody():
    assert host_group(ALONE) is None
    assert summed(ALONE, None, [1, True, 0.1]) == [1.0, 1.0, 0.1]


def test_processes_of_a_cpu_need_no_group_of_their_own():
    assert host_group(SimpleNamespace(num_processes=2, device=torch.device("cpu"))) is None


def test_processes_with_gpus_get_one_of_the_host(monkeypatch):
    monkeypatch.setattr(distributed, "new_group", lambda backend: f"a group of {backend}")
    two = SimpleNamespace(num_processes=2, device=torch.device("cuda"))
    assert host_group(two) == "a group of gloo"


def test_numbers_are_summed_in_float64_over_the_group(monkeypatch):
    def all_reduce(numbers, group):
        assert (numbers.dtype, numbers.device.type, group) == (torch.float64, "cpu", "mine")
        numbers += torch.tensor([0.0, 1e-9], dtype=torch.float64)

    monkeypatch.setattr(distributed, "all_reduce", all_reduce)
    two = SimpleNamespace(num_processes=2)
    assert summed(two, "mine", [True, 1.0]) == [1.0, 1.0 + 1e-9]


PROGRAM = """
import torch
from accelerate import Accelerator
from tlf.runtime.agreement import host_group, summed
accelerator = Accelerator(cpu=True)
print(summed(accelerator, host_group(accelerator), [accelerator.process_index + 1, 0.25]))
"""


@pytest.mark.slow
def test_two_processes_agree(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    words = [
        sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone",
        str(tmp_path / "program.py"),
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.count("[3.0, 0.5]") == 2, done.stderr
