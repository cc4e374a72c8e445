"""The processes that load images: how many, what they do with signals, and what it means when one
is lost.
"""

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tlf.errors import PluginError, RunError
from tlf.runtime.cores import local_processes, usable_cores
from tlf.runtime.processes import lost_process

WORKERS_PER_CORE = 8
"""Processes that load images, for each core, at most: more of them take memory and wait."""

_GRACE = 10
"""Seconds that a process that loads images lives on after a SIGTERM."""


def worker_count(requested: int | str, *, on_cpu: bool) -> int:
    """How many processes load images for each training process.

    By default its share of this host's cores, less one; none on a CPU: there they take cores from
    the model, and measurements showed no gain.
    """
    cores = max(1, usable_cores() // local_processes())
    if requested != "auto":
        return min(int(requested), WORKERS_PER_CORE * cores)
    return 0 if on_cpu else max(1, cores - 1)


def begin_worker(_number: int) -> None:
    """Outlive a SIGTERM for some seconds, and leave a Ctrl-C to the process that trains.

    A batch system sends it to all processes. The one that trains then ends its update and stores
    the state: until then it needs those that load its images.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all processes, too
    signal.signal(signal.SIGTERM, lambda *_: signal.alarm(_GRACE))


def lost_worker(error: BaseException) -> str | None:
    """Say why a process that loads images has ended, if the error means that; otherwise None.

    >>> lost_worker(RuntimeError("DataLoader worker (pid 7) is killed by signal: Terminated. "))
    'a process that loads images was killed (Terminated)'
    >>> lost_worker(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    """
    text = f"{error.__cause__} {error}"  # the cause tells how the process ended, if it is known
    if "Bus error" in text or "out of shared memory" in text:
        return (
            "the processes that load images have too little shared memory; write workers = 0, or "
            "give the container more of it (docker run --ipc=host, or --shm-size 8g)"
        )
    found = _LOST.search(text)
    if found is None and not (isinstance(error, OSError | EOFError) and _awaits_batch(error)):
        return None
    how = found[1] if found else None
    if how == "Killed":
        return (
            "a process that loads images was killed, probably because the machine ran out of "
            "memory; write fewer workers or a smaller batch_size"
        )
    return f"a process that loads images {f'was killed ({how})' if how else 'ended unexpectedly'}"


@contextmanager
def lost_processes_named(advice: str) -> Iterator[None]:
    """Name the process that this one cannot do without, when it is lost.

    Raises:
        RunError: another process of the run, or one that loads images, has ended.
    """
    try:
        yield
    except (RuntimeError, OSError, EOFError, PluginError) as error:
        # A loss that shows while a plugin computes is not the plugin's fault.
        loss = (error.__cause__ or error) if isinstance(error, PluginError) else error
        lost = lost_process(loss) or lost_worker(loss)
        if lost is None:
            raise
        forget_workers()
        raise RunError(f"{lost}; {advice}") from error


def forget_workers() -> None:
    """Keep the loss of further processes that load images from raising errors anywhere: one error
    is enough, and it is about to be reported.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


_LOST = re.compile(
    r"DataLoader worker \(pid(?:\(s\))?[\d, ]*\) (?:exited|is killed by signal: ([\w ]+))"
)


def _awaits_batch(error: BaseException) -> bool:
    """Whether an error was raised where torch's DataLoader waits for a batch of its processes."""
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        where = (frame.f_globals.get("__name__"), frame.f_code.co_name)
        if where == ("torch.utils.data.dataloader", "_try_get_data"):
            return True
        trace = trace.tb_next
    return False
