"""How much memory is free."""

from contextlib import suppress
from pathlib import Path

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
