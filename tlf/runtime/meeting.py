"""Where the processes of a run meet before anything else. One that fails as it starts never comes:
torch would let the others wait for it for half an hour.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from torch import distributed
from torch.distributed.rendezvous import rendezvous

from tlf.errors import RunError
from tlf.runtime.cores import processes

PATIENCE = 60
"""Seconds between the starts of the first and the last process, at most. It is a minute, since some
hosts import the same packages from slower disks than others."""

_LATER = timedelta(minutes=30)
"""How long processes that have met wait for each other: one may read its images much faster."""

_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@contextmanager
def meeting(*, over_gloo: bool) -> Iterator[dict[str, Any]]:
    """Wait until all processes have started. The context is given what they need to make the
    process group. Once it is made, they wait longer for each other.

    Parameters:
        over_gloo: whether the process group connects all processes as it is made.

    Raises:
        RunError: a process is missing, or the launcher did not say where they meet.
    """
    deadline = time.monotonic() + PATIENCE
    _check_variables()
    patience = timedelta(seconds=PATIENCE)
    if os.environ["RANK"] != "0":
        _wait_until(deadline, _main_answers)
    try:
        store, rank, count = next(rendezvous("env://", timeout=patience))
    except distributed.DistStoreError as error:  # the main process waits here for all others
        raise _missing() from error
    keys = [f"tlf/started/{number}" for number in range(count)]
    store.set(keys[rank], "")
    _wait_until(deadline, lambda: store.check(keys))
    yield {"store": store, "rank": rank, "world_size": count} | (
        {"timeout": patience} if over_gloo else {}
    )
    store.set_timeout(_LATER)
    group = distributed.group.WORLD
    if over_gloo and group is not None:
        group.set_timeout(_LATER)


def _check_variables() -> None:
    for name in _VARIABLES:
        if not os.environ.get(name):
            raise RunError(
                f"{name} must be set in each of several processes, got nothing; start them with "
                "accelerate launch or torchrun"
            )


def _main_answers() -> bool:
    # torch would try the same, and print a stack of calls at each attempt.
    try:
        address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        socket.create_connection(address, timeout=1).close()
    except OSError:
        return False
    return True


def _wait_until(deadline: float, condition: Callable[[], bool]) -> None:
    while not condition():
        if time.monotonic() > deadline:
            raise _missing()
        time.sleep(0.05)


def _missing() -> RunError:
    host, port = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
    return RunError(
        f"all {processes()} processes of this run must start within {PATIENCE} seconds and meet at "
        f"{host}:{port}, got fewer: their own messages may say why; start all processes again"
    )
