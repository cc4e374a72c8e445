"""How many cores may be used, and how many processes share them."""

import os


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


def is_first() -> bool:
    """Whether this process is the first one of this run, as the launcher set it."""
    return os.environ.get("RANK", "0") == "0"
