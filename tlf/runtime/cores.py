"""How many cores may be used, how many processes share them, and work on all of them."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from tlf.errors import RunError

Item = TypeVar("Item")


def usable_cores() -> int:
    """The number of cores that this process may run on: all, or those it is restricted to."""
    affinity = getattr(os, "sched_getaffinity", None)  # on Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def processes() -> int:
    """The number of processes of this run, as the launcher set it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_processes() -> int:
    """The number of processes of this run on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def launched() -> bool:
    """Whether a launcher set the environment, and not a person."""
    return "ACCELERATE_MIXED_PRECISION" in os.environ or "LOCAL_WORLD_SIZE" in os.environ


def processes_are_missing() -> bool:
    """Whether a launcher was asked for several processes, and has started one of them.

    ``accelerate launch --cpu --num_processes 2`` sets the address where processes meet
    (MASTER_ADDR), but starts only one of them and does not set their number (WORLD_SIZE).
    """
    several = "ACCELERATE_MIXED_PRECISION" in os.environ and "MASTER_ADDR" in os.environ
    return several and "WORLD_SIZE" not in os.environ


def check_alone(what: str) -> None:
    """Check that this process is the only one of its run.

    Parameters:
        what: what must not run in several processes, such as ``a check``.

    Raises:
        RunError: a launcher was asked for several.
    """
    if processes() > 1 or processes_are_missing():
        count = "more" if processes_are_missing() else processes()
        raise RunError(f"{what} must be one process, got {count}; start it without a launcher")


def threads_are_chosen() -> bool:
    """Whether a person has the say about the number of threads, and no launcher.

    Launchers set OMP_NUM_THREADS, mostly to 1, where a person has not. The variable looks the same
    then. But the launcher is this process's parent, and Linux shows what a process was started
    with, whatever it has set since. Where this is not shown, the launcher is taken to have set it.
    """
    if not launched():
        return True
    started_with: set[bytes] = set()
    with suppress(OSError):
        for file in ("environ", "cmdline"):
            words = Path(f"/proc/{os.getppid()}", file).read_bytes().split(b"\0")
            started_with |= {word.partition(b"=")[0] for word in words}
    return not started_with.isdisjoint(_THREADS)


_THREADS = (
    b"OMP_NUM_THREADS",
    b"--num_cpu_threads_per_process",
    b"--num-cpu-threads-per-process",
)
"""How a person tells a launcher the number of threads: a variable, or an option of Accelerate."""


def is_first() -> bool:
    """Whether this process is the first one of this run, as the launcher set it."""
    return os.environ.get("RANK", "0") == "0"


def in_parallel(work: Callable[[Item], object], items: Iterable[Item]) -> None:
    """Do some work by NumPy for each item, on all cores: its products do not start more threads."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), ThreadPoolExecutor(usable_cores()) as threads:
        for _ in threads.map(work, items):
            pass
