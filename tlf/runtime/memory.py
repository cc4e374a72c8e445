"""How much memory is free, and how many images a GPU has memory for."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_BUSY = 256 * 224**2
"""Pixels of a batch that keep a GPU busy. With fewer, ResNet-18 waits for its host."""

_LIVES = 4
"""Images without a gradient that need no more memory than one that trains: of them, only the output
of a few layers is held at a time."""

_SYSTEM = Path("/proc/meminfo")
_CONTAINER = Path("/sys/fs/cgroup/memory.max")


def free_memory() -> int:
    """Bytes that programs can still get, and that the system fills with what it has read from
    disks until then. 0 where it is unknown.
    """
    free = 0
    with suppress(OSError):
        lines = _SYSTEM.read_text().splitlines()
        available = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
        free = 1024 * int(available[0]) if available else 0
    with suppress(OSError, ValueError):  # ValueError: the container has no limit, "max"
        free = min(free, int(_CONTAINER.read_text()))
    return free


def untrained_batch(trained: int, height: int, width: int) -> int:
    """Images in a batch on a GPU where no gradient is needed: as many as keep it busy, as far as
    they need no more memory than training does.

    Parameters:
        trained: images that it trains on at once.
        height: of an image in pixels.
        width: likewise.
    """
    return max(trained, min(_LIVES * trained, _BUSY // (height * width)))


@contextmanager
def keeping_free(device: "torch.device", share: float) -> Iterator[None]:
    """Let this process take only a part of the memory that is free now: what needs more fails, as
    if there were none. Where this cannot be said to the system, nothing is kept free.

    Parameters:
        device: whose memory.
        share: how much of its free memory is kept free, from 0 to 1.
    """
    if device.type == "cuda":
        with _cuda_keeping_free(device, share):
            yield
    elif device.type == "cpu" and sys.platform == "linux" and (free := free_memory()):
        with _cpu_keeping_free(free, share):
            yield
    else:
        yield


@contextmanager
def _cuda_keeping_free(device: "torch.device", share: float) -> Iterator[None]:
    import torch

    # Of torch's functions for memory this one alone refuses "cuda" without a number.
    index = torch.cuda.current_device() if device.index is None else device.index
    free, whole = torch.cuda.mem_get_info(device)
    allowed = torch.cuda.memory_reserved(device) + (1 - share) * free
    torch.cuda.set_per_process_memory_fraction(min(1.0, allowed / whole), index)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, index)


@contextmanager
def _cpu_keeping_free(free: int, share: float) -> Iterator[None]:
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    used = pages * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        free = min(free, max(0, soft - used))
    resource.setrlimit(resource.RLIMIT_AS, (used + int((1 - share) * free), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
