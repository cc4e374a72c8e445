"""Where a run computes. Accelerate decides; what it does wrong on a CPU without an error, is
checked here.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState

from tlf.errors import RunError
from tlf.runtime.connections import probed
from tlf.runtime.cores import (
    local_processes,
    processes,
    processes_are_missing,
    threads_are_chosen,
    usable_cores,
)
from tlf.runtime.meeting import meeting

_SHARDING = {
    "ACCELERATE_USE_FSDP": "FSDP",
    "ACCELERATE_USE_DEEPSPEED": "DEEPSPEED",
    "ACCELERATE_USE_MEGATRON_LM": "MEGATRON_LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "a parallelism_config",
}
"""The variable that asks Accelerate for a way to divide parameters over processes → its name.

tlf wraps what trains anew whenever stages thaw; they can divide a module only once. A part of the
network cannot be called alone then, as heads need that train on stored features. And a process sees
a slice of a tensor, where the audit, the digests and the average of the weights need all of it.
"""

_IN_RECIPES = {
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": ("1", "accumulate = 4"),
    "ACCELERATE_DYNAMO_BACKEND": ("NO", "compile = true"),
}
"""The variable by which Accelerate would train in another way than the recipe says → its value
where it does not, and what a recipe says instead.
"""


def join_processes() -> None:
    """Meet the other processes of this run, if a launcher started any.

    Raises:
        RunError: processes are missing, or cannot meet.
    """
    _check_launch()
    if "LOCAL_RANK" in os.environ:
        # If it is imported after the process group is made, its functions keep the group as a
        # default argument: gloo's threads then live until the interpreter ends, and can abort it.
        import_module("torch.distributed.nn.functional")
    try:
        with probed(), _others() as group:
            PartialState(cpu=_on_cpu(), **group)
    except torch.distributed.DistNetworkError as error:
        if "EADDRINUSE" not in str(error):
            raise
        port = os.environ.get("MASTER_PORT")
        raise RunError(
            f"MASTER_PORT must be a port that no other program uses, got {port}; write another"
        ) from error


def start_accelerator(precision: str) -> Accelerator:
    """Ask Accelerate for the device and the other processes, and use all cores.

    Raises:
        RunError: processes are missing, or the precision needs another device.
    """
    join_processes()
    # The precision of an earlier run in this process must not be used for this one.
    AcceleratorState._reset_state()
    try:
        accelerator = Accelerator(
            cpu=_on_cpu(), mixed_precision=None if precision == "auto" else precision
        )
    except ValueError as error:
        raise RunError(
            f'precision must work on this device, got {precision!r}: {error}; write "no"'
        ) from error
    _check_processes(accelerator.num_processes)
    if accelerator.device.type == "cpu":
        _check_cpu_precision(accelerator.mixed_precision)
        # Launchers export OMP_NUM_THREADS=1 on a CPU, which would more than halve the speed. A
        # number that a person set is kept. It is set again, since MKL may choose fewer threads as
        # long as no number was set.
        share = max(1, usable_cores() // local_processes())
        torch.set_num_threads(torch.get_num_threads() if threads_are_chosen() else share)
    return accelerator


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """Compute on ``count`` threads of the CPU inside a ``with`` block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def describe(accelerator: Accelerator) -> str:
    """One line for a person: device, processes, threads, precision."""
    device = accelerator.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()
    count = accelerator.num_processes
    several = f" × {count} processes" if count > 1 else ""
    threads = torch.get_num_threads()
    cores = f", {threads} thread{'s' if threads > 1 else ''} each" if device.type == "cpu" else ""
    precision = {"no": "float32"}.get(accelerator.mixed_precision, accelerator.mixed_precision)
    return f"{name}{several}{cores if several else cores.removesuffix(' each')}, {precision}"


def _others() -> AbstractContextManager[dict[str, Any]]:
    alone = processes() == 1 or "LOCAL_RANK" not in os.environ
    if alone or torch.distributed.is_initialized():
        return nullcontext({})
    return meeting(over_gloo=_on_cpu())


def _on_cpu() -> bool:
    # Otherwise Accelerate takes each of several CPU processes for the only one.
    return "LOCAL_RANK" in os.environ and not torch.accelerator.is_available()


def _check_processes(count: int) -> None:
    if count != processes():
        raise RunError(
            f"WORLD_SIZE must be the number of processes, {count}, got {processes()}; start the "
            "processes with accelerate launch or torchrun, or unset WORLD_SIZE"
        )


def _check_launch() -> None:
    if processes_are_missing():
        raise RunError(
            "--num_processes must be 1 with accelerate launch on a CPU, got more: it starts only "
            "one process; write `torchrun --nproc_per_node 2 -m tlf RECIPE`, or `distributed_type: "
            "MULTI_GPU` in its config file, which starts all of them on a CPU, too, or leave "
            "--num_processes out"
        )
    for name, kind in _SHARDING.items():
        if os.environ.get(name, "false").lower() != "false":
            raise RunError(
                f"distributed_type must be MULTI_GPU or MULTI_CPU for tlf, got {kind} ({name} is "
                "set): each process holds all parameters, to prove bit for bit that the frozen "
                "ones stay; write `distributed_type: MULTI_GPU` in the config file of accelerate, "
                f"or unset {name}; where memory is short, write accumulate=auto, precision=bf16 or "
                "a smaller backbone"
            )
    for name, (unset, instead) in _IN_RECIPES.items():
        if (given := os.environ.get(name, unset)).upper() != unset:
            raise RunError(
                f"{name} must be unset or {unset}, got {given} (accelerate's options and config "
                f"file set it, too): the recipe alone says how a run trains; write {instead} there"
            )


def _check_cpu_precision(precision: str) -> None:
    if precision == "fp16":
        raise RunError('precision must be "bf16" or "no" on a CPU, got "fp16"; write "bf16"')
