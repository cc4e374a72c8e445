import pytest
import torch

from tlf.errors import RunError
from tlf.runtime.devices import describe, start_accelerator


@pytest.fixture
def plain(monkeypatch):
    for name in ("ACCELERATE_MIXED_PRECISION", "MASTER_ADDR", "WORLD_SIZE", "LOCAL_WORLD_SIZE",
                 "LOCAL_RANK"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)


def test_accelerate_launch_with_several_processes_on_a_cpu_is_an_error(plain, monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    with pytest.raises(RunError, match="torchrun --nproc_per_node 2"):
        start_accelerator("auto")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ACCELERATE_USE_FSDP", "FSDP"),
        ("ACCELERATE_USE_DEEPSPEED", "DEEPSPEED"),
        ("ACCELERATE_USE_MEGATRON_LM", "MEGATRON_LM"),
        ("ACCELERATE_USE_PARALLELISM_CONFIG", "a parallelism_config"),
    ],
)
def test_a_launch_that_divides_parameters_is_an_error(plain, monkeypatch, name, kind):
    """They would train as with DDP, in silence."""
    expected = f"distributed_type must be MULTI_GPU or MULTI_CPU for tlf, got {kind} .{name} is set"
    monkeypatch.setenv(name, "true")
    with pytest.raises(RunError, match=expected):
        start_accelerator("auto")
    monkeypatch.setenv(name, "false")
    start_accelerator("auto")


@pytest.mark.parametrize(
    ("name", "given", "unset", "instead"),
    [
        ("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4", "1", "accumulate = 4"),
        ("ACCELERATE_DYNAMO_BACKEND", "INDUCTOR", "NO", "compile = true"),
    ],
)
def test_the_recipe_alone_says_how_a_run_trains(plain, monkeypatch, name, given, unset, instead):
    """Accelerate would do it besides, in silence."""
    monkeypatch.setenv(name, given)
    with pytest.raises(
        RunError, match=f"^{name} must be unset or {unset}, got {given} .*{instead}"
    ):
        start_accelerator("auto")
    monkeypatch.setenv(name, unset.lower())
    start_accelerator("auto")


def test_a_world_size_without_other_processes_is_an_error(plain, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(
        RunError, match="WORLD_SIZE must be the number of processes, 1, got 2; start"
    ):
        start_accelerator("auto")


def test_a_launched_process_uses_its_share_of_the_cores(plain, threads, monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    monkeypatch.setattr("tlf.runtime.devices.usable_cores", lambda: 6)
    monkeypatch.setattr("tlf.runtime.devices.threads_are_chosen", lambda: False)
    start_accelerator("auto")
    assert torch.get_num_threads() == 6
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    start_accelerator("auto")
    assert torch.get_num_threads() == 3


def test_a_number_of_threads_that_a_person_set_is_kept(plain, monkeypatch):
    monkeypatch.setattr("tlf.runtime.devices.usable_cores", lambda: 6)
    threads = torch.get_num_threads()
    accelerator = start_accelerator("auto")
    assert torch.get_num_threads() == threads
    assert describe(accelerator).startswith("CPU, ")
    assert describe(accelerator).endswith(", float32")


def test_processes_that_accelerate_did_not_join_are_an_error(plain, monkeypatch):
    class Alone:
        def __init__(self, **_):
            self.num_processes = 1

    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setattr("tlf.runtime.devices.Accelerator", Alone)
    with pytest.raises(RunError, match="WORLD_SIZE must be the number of processes, 1, got 3"):
        start_accelerator("auto")
