"""Connections to hosts that no longer answer: the kernel ends them. Otherwise gloo would wait for
half an hour for a host that has lost its power or its network.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISSOCK

SILENCE = 60
"""Seconds without any answer of a host's kernel, after which it counts as dead. A process that
computes for long, or is stopped, does not matter: its kernel answers."""

_PROBE = SILENCE // 6
"""Seconds between two probes."""


@contextmanager
def probed() -> Iterator[None]:
    """Probe the connections that are made inside the context, for as long as they exist. On Linux
    only.
    """
    before = _connections()
    yield
    for number in _connections() - before:
        with _as_socket(number) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBE)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, SILENCE // _PROBE - 1)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * SILENCE)


def _connections() -> set[int]:
    """The file descriptors of this process that are TCP sockets."""
    folder = Path("/proc/self/fd")
    numbers = [int(name) for name in os.listdir(folder)] if folder.is_dir() else []
    return {number for number in numbers if _is_tcp(number)}


def _is_tcp(number: int) -> bool:
    try:
        if not S_ISSOCK(os.fstat(number).st_mode):
            return False
    except OSError:  # it is closed by now
        return False
    with _as_socket(number) as one:
        return one.type == socket.SOCK_STREAM and one.family in (socket.AF_INET, socket.AF_INET6)


@contextmanager
def _as_socket(number: int) -> Iterator[socket.socket]:
    """A file descriptor as a socket, which is not closed with it."""
    one = socket.socket(fileno=number)
    try:
        yield one
    finally:
        one.detach()
