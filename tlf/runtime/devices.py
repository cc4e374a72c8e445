"""Where a run computes: Accelerate's answer, with the silent traps of launching on a CPU
closed.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from tlf.errors import RunError
from tlf.runtime.cores import local_processes, processes, usable_cores


def start_accelerator(precision: str) -> Accelerator:
    """Ask Accelerate for the device and the other processes, and take the cores that are there.

    Raises:
        RunError: processes were asked for and not started, or the precision needs another device.
    """
    _check_launch()
    # What an earlier run in this process computed with must not decide for this one.
    AcceleratorState._reset_state()
    if "LOCAL_RANK" in os.environ:
        # Imported once the processes have met, its functions hold their group as a default, and
        # gloo's threads live on until the interpreter's end, which they can abort.
        import_module("torch.distributed.nn.functional")
    # Without a word, Accelerate takes each of several CPU processes for the only one.
    joined = "LOCAL_RANK" in os.environ and not torch.accelerator.is_available()
    try:
        accelerator = Accelerator(
            cpu=joined, mixed_precision=None if precision == "auto" else precision
        )
    except ValueError as error:
        raise RunError(f"precision = {precision!r} does not work here: {error}") from error
    _check_processes(accelerator.num_processes)
    if accelerator.device.type == "cpu":
        _check_cpu_precision(accelerator.mixed_precision)
        # Launchers export OMP_NUM_THREADS=1 on a CPU, which would halve the speed and more. A
        # person's number stands. It is set all the same: that also stops MKL from choosing fewer
        # threads by itself, which would otherwise depend on who set a number before.
        share = max(1, usable_cores() // local_processes())
        torch.set_num_threads(share if _launched() else torch.get_num_threads())
    return accelerator


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """Compute on ``count`` threads of the CPU for a while."""
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


def _launched() -> bool:
    """Whether a launcher made the environment, and not a person."""
    return "ACCELERATE_MIXED_PRECISION" in os.environ or "LOCAL_WORLD_SIZE" in os.environ


def _check_processes(found: int) -> None:
    if found != processes():
        raise RunError(
            f"WORLD_SIZE says that {processes()} processes train together, and there is {found}; "
            "start them by accelerate launch or torchrun, or unset WORLD_SIZE"
        )


def _check_launch() -> None:
    # `accelerate launch --cpu --num_processes 2` says where the processes should meet
    # (MASTER_ADDR), then starts a single one, which is told of no others (WORLD_SIZE).
    asked = "ACCELERATE_MIXED_PRECISION" in os.environ and "MASTER_ADDR" in os.environ
    if asked and "WORLD_SIZE" not in os.environ:
        raise RunError(
            "several processes were asked for and accelerate launch started only one, as it does "
            "on a CPU; write `torchrun --nproc_per_node 2 -m tlf RECIPE`, or leave "
            "--num_processes out"
        )


def _check_cpu_precision(precision: str) -> None:
    if precision == "fp16":
        raise RunError('precision = "fp16" needs a GPU; write precision = "bf16" or "no"')
