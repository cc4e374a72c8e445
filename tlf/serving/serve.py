"""Serve runs until somebody ends it: the port, the server's thread, its end."""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from contextlib import contextmanager
from os import PathLike
from typing import TYPE_CHECKING

from tlf.errors import RunError, require
from tlf.events import ServerStarted
from tlf.runtime.http.answering import answering
from tlf.serving import BATCH, HOST, PORT, WINDOW
from tlf.serving.computing import ComputingThread
from tlf.serving.limits import ServingLimits

if TYPE_CHECKING:
    from starlette.types import ASGIApp

LOOPBACK = ("127.0.0.1", "localhost", "::1")
LAST_PORT = 65535
STOPPING = 8
"""Seconds in which a server that is stopped answers what it has accepted. Then it cuts off what is
left: container engines end a program after 10 s."""
WAITING = 128
"""Connections that wait to be accepted."""


def serve(
    runs: Sequence[str | PathLike[str]],
    *,
    host: str = HOST,
    port: int = PORT,
    precision: str | None = None,
    device: str = "cpu",
    nearest: int = 0,
    batch: int = BATCH,
    window: float = WINDOW,
    limits: ServingLimits | None = None,
    log: Callable[[str], object] | None = None,
) -> Iterator[ServerStarted]:
    """Answer requests for predictions with the best models of runs.

    Yields ``ServerStarted`` with its address as soon as it answers. While the next event is taken,
    it serves: until the program is interrupted or the generator closed. It then accepts no more,
    and answers what it has accepted, within 8 seconds.

    Parameters:
        runs: their folders. Those with the same backbone compute its features once.
        host: the address to listen at; by default only this computer reaches it.
        port: the port; 0: any that is free.
        precision: what to compute in, see ``load_classifier``.
        device: where to compute.
        nearest: how many of the most similar train images each prediction names.
        batch: the most images that are classified together.
        window: how many milliseconds the first image of a batch waits for others that have arrived
            and are being read.
        limits: what a request may ask for.
        log: called with a line for each request.

    Raises:
        TlfError: a run cannot be loaded; starlette, uvicorn or python-multipart is not installed;
            the address cannot be used.
    """
    require("starlette", "uvicorn", "python_multipart", extra="serve")
    _check(runs, batch, window)
    with _bound(host, port) as listener, ComputingThread() as computes:
        from tlf.serving.models import load_models
        from tlf.serving.server import Server, application

        loading = computes.submit(load_models, runs, precision, device, nearest)
        while not wait([loading], 0.5).done:  # Windows interrupts no endless wait
            pass
        limits = limits or ServingLimits()
        server = Server(loading.result(), computes, limits, batch, window / 1000)
        app = application(server, log, own_names=host in LOOPBACK)
        yield from _served(app, listener, host, port)


def _check(runs: Sequence[str | PathLike[str]], batch: int, window: float) -> None:
    if not runs or batch < 1 or not 0 <= window <= 10_000:
        raise RunError(
            "runs must be one or more, batch must be above 0 and window from 0 to 10,000, got "
            f"{len(runs)}, {batch} and {window:g}; write, for example: tlf serve runs/mine"
        )


def _served(
    app: "ASGIApp", listener: socket.socket, host: str, port: int
) -> Iterator[ServerStarted]:
    """Serve an application until the program is interrupted or the generator closed."""
    try:
        listener.listen(WAITING)
    except OSError as error:  # another program that loaded meanwhile has the port
        raise _unusable(host, port, error) from error
    from tlf.serving.protocol import Protocol

    with answering(
        app, listener, "tlf serve: answers", seconds=STOPPING, waiting=WAITING, protocol=Protocol,
        lifespan=True,
    ) as ended:  # fmt: skip
        yield ServerStarted(_address(listener))
        # Windows interrupts no endless wait.
        while not ended.wait(0.5):
            pass
    raise RuntimeError("the server has ended")


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that has its address, and listens later: until the models are loaded, whoever asks
    is refused.

    Raises:
        RunError: the address cannot be used.
    """
    if not 0 <= port <= LAST_PORT:
        raise _unusable(host, port, ValueError(f"the last port is {LAST_PORT}"))
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # asyncio sends small answers at once only where a socket names its protocol: without it,
        # each answer would wait 40 ms for its client's acknowledgement of the headers.
        listener = socket.socket(family, kind, protocol)
    except (OSError, OverflowError, UnicodeError) as error:
        raise _unusable(host, port, error) from error
    with listener:
        if os.name == "posix":  # connections of an earlier server may still be closing
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except (OSError, OverflowError) as error:
            raise _unusable(host, port, error) from error
        yield listener


def _unusable(host: str, port: int, error: Exception) -> RunError:
    reason = getattr(error, "strerror", None) or error
    return RunError(
        f"--host and --port must be an address that can be used here, got {host} and {port}: "
        f"{reason}; write another one, or --port 0 for any port"
    )


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
