"""The server of the page: what a browser may ask for, and what it is told.

Any program of this computer can reach the port, and any website can make a browser ask it. So the
address holds a secret token, which the program prints; only names of this computer are answered
(otherwise a website could rename itself to this address); and a message must be JSON, which no
other website may send.
"""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from itertools import count
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tlf.errors import TlfError
from tlf.simulator.live.worker import RefusedError, Worker
from tlf.simulator.messages import content_of, count_of, lanes_of
from tlf.simulator.scene import Scene

HOST = re.compile(r"(127\.0\.0\.1|localhost)(:[0-9]+)?", re.IGNORECASE)
LARGEST_MESSAGE = 100_000
"""Bytes of a message. The settings of two lanes with 60 stages have a tenth of it."""
MOST_EVENTS = 500
"""Events that wait for a tab. One that reads no more is cut off; it comes back, and gets all."""
HEARTBEAT = 15.0
"""Seconds between two signs of life."""
HEADERS = {
    # The page has a policy of its own, which its <meta> says; no other answer is a page.
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
NOWHERE = "There is no such page. Open the whole address that the program printed at its start.\n"
Command = Callable[[Mapping[str, Any]], None]


def application(worker: Worker, scene: Scene, page: str, token: str) -> ASGIApp:
    """The application.

    Parameters:
        worker: makes the steps.
        scene: what settings are checked against.
        page: the page, as HTML.
        token: the secret part of the address.
    """
    commands: Mapping[str, Command] = {
        "lanes": lambda content: worker.change(lanes_of(content, scene)),
        "step": lambda content: worker.step(count_of(content)),
        "stop": lambda _: worker.stop(),
        "reset": lambda _: worker.reset(),
    }

    async def show(_: Request) -> Response:
        return HTMLResponse(page)

    async def follow(request: Request) -> Response:
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        return StreamingResponse(_events(worker), media_type="text/event-stream")

    def obeying(command: Command) -> Callable[[Request], Awaitable[Response]]:
        async def obey(request: Request) -> Response:
            return await _obeyed(request, command)

        return obey

    routes = [
        Route(f"/{token}/", show),
        Route(f"/{token}/events", follow),
        *(Route(f"/{token}/{n}", obeying(c), methods=["POST"]) for n, c in commands.items()),
    ]
    handlers = {404: _nowhere, ClientDisconnect: _closed}
    return _guarded(Starlette(routes=routes, exception_handlers=handlers), token)


async def _nowhere(_: Request, __: Exception) -> Response:
    return PlainTextResponse(NOWHERE, 404)


async def _closed(_: Request, __: Exception) -> Response:
    """A tab that is closed while it asks is no error: nobody waits for an answer."""
    return Response(status_code=400)


def _guarded(app: ASGIApp, token: str) -> ASGIApp:
    """The same application for those who know the token; others learn nothing."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        known = _knows(Request(scope), token)
        answer = app if known else PlainTextResponse(NOWHERE, 404)
        await answer(scope, receive, send_safely)

    return guarded


def _knows(request: Request, token: str) -> bool:
    """Whether a request names this computer and the token, and comes from the page."""
    given = request.scope["path"].removeprefix("/").partition("/")[0]
    host, origins = request.headers.get("host", ""), request.headers.getlist("origin")
    return (
        secrets.compare_digest(given.encode(), token.encode())
        and HOST.fullmatch(host) is not None
        and all(origin == f"http://{host}" for origin in origins)
    )


async def _obeyed(request: Request, command: Command) -> Response:
    """Do what a message asks for."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        return PlainTextResponse(f"a message must be application/json, got {kind!r:.60}", 415)
    text = bytearray()
    async for part in request.stream():
        text += part
        if len(text) > LARGEST_MESSAGE:
            return PlainTextResponse(
                f"a message must have at most {LARGEST_MESSAGE:,} bytes, got more", 413
            )
    try:
        command(content_of(bytes(text)))
    except RefusedError as error:
        return PlainTextResponse(str(error), 409)
    except TlfError as error:
        return PlainTextResponse(str(error), 400)
    return Response(status_code=204)


async def _events(worker: Worker) -> AsyncIterator[str]:
    """Events as a browser's ``EventSource`` reads them: first how everything is."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[str | None]()

    def offer(event: str | None) -> None:
        if queue.qsize() < MOST_EVENTS:
            queue.put_nowait(event)
        else:
            worker.leave(listen)
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(None)

    def listen(event: str | None) -> None:
        loop.call_soon_threadsafe(offer, event)

    ids = count()
    try:
        yield _message(next(ids), worker.follow(listen))
        while True:
            try:
                event = await asyncio.wait_for(queue.get(), HEARTBEAT)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if event is None:
                return
            yield _message(next(ids), event)
    finally:
        worker.leave(listen)


def _message(number: int, event: str) -> str:
    return f"retry: 1000\nid: {number}\ndata: {event}\n\n"
