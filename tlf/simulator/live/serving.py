"""Serve the page on this computer, until somebody ends it."""

import errno
import logging
import os
import secrets
import socket
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tlf.errors import RunError
from tlf.events import Notice, Prepared, SimulatorStarted
from tlf.recipe.plan import Plan
from tlf.runtime.http.answering import answering
from tlf.simulator.live import PORT

if TYPE_CHECKING:
    from tlf.data.inspection.inspect import Events

ADDRESS = "127.0.0.1"
PORTS = 65536
WAITING = 32
"""Connections that wait to be accepted. asyncio tries so often at once, and prints each failure,
where this program may open no more files."""
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
    advice = PORT
    for number in _tried(port):
        try:
            listener = socket.create_server((ADDRESS, number))
        except OSError as error:
            last = error
            if error.errno != errno.EADDRINUSE:
                break
            advice = 0
        else:
            with listener:
                yield listener
            return
    why = "it is no port" if last is None else os.strerror(last.errno or 0)
    raise RunError(
        f"--port must be a port that can be used, got {port}: {why}; write --port {advice}"
    )


def _tried(port: int) -> Sequence[int]:
    if not 0 < port < PORTS:
        return [0] if port == 0 else []
    return range(port, min(port + TRIED, PORTS))


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
    app = application(worker, simulation.scene, page, token)
    with answering(
        app, listener, "tlf simulate: answers", seconds=1, waiting=WAITING, level=logging.ERROR
    ) as ended:
        worker.start()
        try:
            yield SimulatorStarted(address)
            if open_browser and not webbrowser.open(address):
                yield Notice("no browser could be opened; open the address yourself")
            # Windows interrupts no endless wait. And a thread whose ``join`` is interrupted counts
            # as ended in Python 3.11: nobody would wait until tabs were told of the end.
            while not ended.wait(0.5):
                pass
        finally:
            worker.end(f"tlf has ended. Start it again, and open its new address: {command}")
    raise RuntimeError("the server of the page has ended")
