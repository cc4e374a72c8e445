"""How many cores there are to use."""

import os


def usable_cores() -> int:
    """How many cores this process may run on: fewer than the machine has where it was confined."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it
    return len(affinity(0)) if affinity else os.cpu_count() or 1
