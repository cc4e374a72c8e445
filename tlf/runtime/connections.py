"""Connections between the hosts of a run: the network that they are made in, whether they can be
made, and what ends those to a host that no longer answers.
"""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from stat import S_ISSOCK

from tlf.errors import RunError

SILENCE = 60
"""Seconds without any answer of a host's kernel, after which it counts as dead. A process that
computes for long, or is stopped, does not matter: its kernel answers. Otherwise gloo would wait for
half an hour for a host that has lost its power or its network."""

_PROBE = SILENCE // 6
"""Seconds between two probes."""

_CONNECT = 5
"""Seconds that a connection to another host may take."""

_INTERFACE = "GLOO_SOCKET_IFNAME"


def own_address(near: str, seen: Sequence[str]) -> str:
    """Where the other hosts reach this one. gloo is told the network interface, unless a person has
    done so: gloo would take the address that this host's own name stands for. On many systems, that
    is one such as 127.0.1.1, which no other host reaches.

    Parameters:
        near: the address of this host in a connection to the main process.
        seen: the address of the main process, as each process reaches it.

    Raises:
        RunError: a person has named an interface that this host does not have.
    """
    from psutil import net_if_addrs  # who is alone does not wait for it

    interfaces = {
        name: [one.address for one in found if one.family in (socket.AF_INET, socket.AF_INET6)]
        for name, found in net_if_addrs().items()
    }
    if chosen := os.environ.get(_INTERFACE, "").partition(",")[0]:
        if not interfaces.get(chosen):
            raise RunError(
                f"{_INTERFACE} must be a network interface of this host, {socket.gethostname()}, "
                f"got {chosen!r}; write one of: {', '.join(interfaces)}"
            )
        return str(interfaces[chosen][0])
    joining = {address: name for name, ours in interfaces.items() for address in ours}
    if _is_loopback(near):  # this is the host of the main process
        others = (one for one in seen if one in joining and not _is_loopback(one))
        near = next(others, near)
    if near in joining:
        os.environ[_INTERFACE] = joining[near]
    return near


def unreached(address: str, ports: Sequence[tuple[str, str, int]]) -> str:
    """Say which process cannot be reached from here; nothing where all can.

    Parameters:
        address: of this host.
        ports: the host name, the address and an open port of each process.
    """
    for host, other, port in ports:
        try:
            socket.create_connection((other, port), timeout=_CONNECT).close()
        except OSError as error:
            here, there = f"{socket.gethostname()} ({address})", f"{host} ({other})"
            return (
                f"hosts must reach each other on all TCP ports, got no connection from {here} to "
                f"{there}: {error.strerror or error}; open the firewall between them, or set "
                f"{_INTERFACE} to the network interface that joins them"
            )
    return ""


def _is_loopback(address: str) -> bool:
    return ip_address(address.partition("%")[0]).is_loopback


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
