"""How many cores there are to use, and how many processes share them."""

import os


def usable_cores() -> int:
    """How many cores this process may run on: fewer than the machine has where it was confined."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def processes() -> int:
    """How many processes of this run there are, as the launcher told this one."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_processes() -> int:
    """How many processes of this run there are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
