"""Serve the page on this computer, until somebody ends it."""

import errno
import logging
import os
import secrets
import socket
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tlf.errors import RunError
from tlf.events import Notice, Prepared, SimulatorStarted
from tlf.recipe.plan import Plan
from tlf.simulator.live import PORT

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from tlf.data.inspection.inspect import Events

ADDRESS = "127.0.0.1"
OPENING = Prepared("opening the network", 0, 1)
"""Told before torch is imported, which takes seconds."""
TRIED = 100
"""Ports that are tried, one after the other."""


@contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """A socket that other computers cannot reach, on the first free port from this one on.

    Raises:
        RunError: no port can be used.
    """
    last: OSError | None = None
    for number in range(port, min(port + TRIED, 65536)) if port else [0]:
        try:
            listener = socket.create_server((ADDRESS, number))
        except OSError as error:
            last = error
            if error.errno != errno.EADDRINUSE:
                break
        else:
            with listener:
                yield listener
            return
    why = "it is no port" if last is None else os.strerror(last.errno or 0)
    raise RunError(
        f"--port must be a port that can be used, got {port}: {why}; write --port {PORT}"
    )


def served(
    plan: Plan, command: str, port: int, *, open_browser: bool
) -> Iterator["Events | SimulatorStarted"]:
    """Open a recipe, and serve its page until the program is interrupted or the generator closed.

    Parameters:
        plan: the recipe.
        command: what starts this again.
        port: the port, or the first one after it that is free; 0: any.
        open_browser: open the page in a browser.

    Raises:
        TlfError: anything that would stop a run before it trains; no port can be used.
    """
    with listening(port) as listener:
        used = listener.getsockname()[1]
        if port and used != port:
            yield Notice(f"port {port} is in use, so the page is at port {used}")
        yield from _served(plan, command, listener, open_browser=open_browser)


def _served(
    plan: Plan, command: str, listener: socket.socket, *, open_browser: bool
) -> Iterator["Events | SimulatorStarted"]:
    yield OPENING
    from tlf.simulator.live.server import application
    from tlf.simulator.live.worker import Worker
    from tlf.simulator.messages import scene_as_json
    from tlf.simulator.page import simulator_page
    from tlf.simulator.simulation import open_simulation

    simulation = yield from open_simulation(plan)
    page = simulator_page(scene_as_json(simulation.scene), command)
    token, worker = secrets.token_urlsafe(24), Worker(simulation)
    address = f"http://{ADDRESS}:{listener.getsockname()[1]}/{token}/"
    with _answering(application(worker, simulation.scene, page, token), listener) as server:
        worker.start()
        try:
            yield SimulatorStarted(address)
            if open_browser and not webbrowser.open(address):
                yield Notice("no browser could be opened; open the address yourself")
            while server.is_alive():  # Windows interrupts no endless wait
                server.join(0.5)
        finally:
            worker.end(f"tlf has ended. Start it again, and open its new address: {command}")
    raise RuntimeError("the server of the page has ended")


@contextmanager
def _answering(app: "ASGIApp", listener: socket.socket) -> Iterator[threading.Thread]:
    """Answer browsers in another thread: a notebook has a loop of its own in this one."""
    import uvicorn

    log = logging.getLogger("uvicorn.error")
    config = uvicorn.Config(
        app, loop="asyncio", http="h11", ws="none", lifespan="off", log_config=None,
        log_level=logging.ERROR, access_log=False, proxy_headers=False, server_header=False,
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, args=([listener],), name="tlf simulate: answers", daemon=True
    )
    thread.start()
    try:
        yield thread
    finally:
        log.setLevel(logging.CRITICAL)  # from now on, a tab that is cut off is no error
        server.should_exit = True
        thread.join()
