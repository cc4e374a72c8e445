"""An application that answers at a socket while a context lasts."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import Protocol

    import uvicorn
    from starlette.types import ASGIApp

_log = logging.getLogger("uvicorn.error")


@contextmanager
def answering(
    app: "ASGIApp",
    listener: socket,
    name: str,
    *,
    seconds: int,
    waiting: int,
    protocol: "str | type[Protocol]" = "h11",
    lifespan: bool = False,
    level: int = logging.CRITICAL,
) -> Iterator[threading.Event]:
    """Answer requests in another thread, by uvicorn: a notebook has a loop of its own in this one.
    At the end, what was accepted is answered; another Ctrl-C or SIGTERM cuts it off at once.

    Yields:
        What is set when it has ended.

    Parameters:
        app: the application.
        listener: a socket that has its address.
        name: of the thread.
        seconds: in which it answers what it has accepted, at the end. Then that is cut off.
        waiting: connections that wait to be accepted.
        protocol: what speaks HTTP, as uvicorn calls it.
        lifespan: whether the application is told of the start and the end.
        level: what is printed of uvicorn's log.
    """
    import uvicorn

    before = _log.level
    kinds: dict[str, Any] = {"http": protocol, "lifespan": "on" if lifespan else "off"}
    server = uvicorn.Server(
        uvicorn.Config(
            app, loop="asyncio", ws="none", log_config=None, log_level=level, access_log=False,
            proxy_headers=False, server_header=False, timeout_graceful_shutdown=seconds,
            backlog=waiting, **kinds,
        )
    )  # fmt: skip
    try:
        with _running(server, listener, name) as ended:
            yield ended
    finally:
        _log.setLevel(before)


@contextmanager
def _running(server: "uvicorn.Server", listener: socket, name: str) -> Iterator[threading.Event]:
    ended = threading.Event()

    def answer() -> None:
        try:
            server.run([listener])
        finally:
            ended.set()

    threading.Thread(target=answer, name=name, daemon=True).start()
    try:
        while not (server.started or ended.wait(0.01)):
            pass
        yield ended
    finally:
        _log.setLevel(logging.CRITICAL)  # from now on, a client that is cut off is no error
        server.should_exit = True
        try:
            _wait(ended)
        except (KeyboardInterrupt, SystemExit):  # somebody waits no more for slow requests
            server.force_exit = True
            _wait(ended)


def _wait(ended: threading.Event) -> None:
    while not ended.wait(0.5):  # Windows interrupts no endless wait
        pass
