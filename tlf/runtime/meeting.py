"""Where the processes of a run meet before anything else. One that fails as it starts never comes:
torch would let the others wait for it for half an hour.
"""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from platform import node
from typing import Any, TypeVar

from torch import distributed
from torch.distributed.rendezvous import rendezvous

from tlf.errors import RunError
from tlf.runtime import strict_json
from tlf.runtime.connections import own_address, unreached
from tlf.runtime.cores import local_processes, processes

Answer = TypeVar("Answer")

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
        RunError: a process is missing or cannot be reached, or the launcher did not say where they
            meet.
    """
    deadline = time.monotonic() + PATIENCE
    _check_variables()
    patience = timedelta(seconds=PATIENCE)
    if os.environ["RANK"] != "0":
        _wait_until(deadline, _route)
    try:
        store, rank, count = next(rendezvous("env://", timeout=patience))
    except distributed.DistError as error:  # the main process waits here for all others
        if "EADDRINUSE" in str(error):
            raise
        raise _missing() from error  # or the address is not that of its host
    answers = _Answers(store, rank, count)
    near, far = _wait_until(deadline, _route)
    seen = answers.exchanged("started", far, deadline)
    if local_processes() < count:
        _check_reached(answers, own_address(near, seen))
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


def _route() -> tuple[str, str] | None:
    """The addresses of this host and of the main process, as they talk to each other; None as long
    as it does not answer. torch would try the same, and print a stack of calls at each attempt.
    """
    address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    try:
        with socket.create_connection(address, timeout=1) as connection:
            return connection.getsockname()[0], connection.getpeername()[0]
    except OSError:
        return None


@dataclass(frozen=True)
class _Answers:
    """What processes tell each other before they are joined."""

    store: Any
    rank: int
    count: int

    def exchanged(self, what: str, answer: object, deadline: float) -> list[Any]:
        """The answers of all processes to a question, in their order."""
        keys = [f"tlf/{what}/{number}" for number in range(self.count)]
        self.store.set(keys[self.rank], strict_json.dumps(answer))
        _wait_until(deadline, lambda: self.store.check(keys))
        return [self._read(number, self.store.get(key)) for number, key in enumerate(keys)]

    def _read(self, number: int, answer: bytes) -> object:
        try:
            return json.loads(answer)
        except ValueError as error:  # what an earlier version answered
            raise RunError(
                f"the code of tlf must be the same in all processes, got another in process "
                f"{number} than in process {self.rank}; start all processes with the same version"
            ) from error


def _check_reached(answers: _Answers, address: str) -> None:
    """Each process connects to each other one, as gloo and NCCL will: gloo would wait for a
    connection that cannot be made for five minutes, in one of the two alone.
    """
    deadline = time.monotonic() + PATIENCE
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family, backlog=answers.count) as server:
        own = [node(), address, server.getsockname()[1]]
        ports = answers.exchanged("listens", own, deadline)
        problems = answers.exchanged("reaches", unreached(address, ports), deadline)
    problem = next(filter(None, problems), None)
    if problem is not None:
        answers.exchanged("knows", None, deadline)  # the main process has the store
        raise RunError(problem)


def _wait_until(deadline: float, condition: Callable[[], Answer | None]) -> Answer:
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise _missing()
        time.sleep(0.05)
    return answer


def _missing() -> RunError:
    host, port = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
    return RunError(
        f"all {processes()} processes of this run must start within {PATIENCE} seconds and meet at "
        f"{host}:{port}, got fewer: their own messages may say why; start all processes again"
    )
