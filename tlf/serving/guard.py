"""Around the application: whom it answers, with which headers, and what is noted of a request."""

import asyncio
import re
import time
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tlf.runtime.text import printable
from tlf.serving.metrics import Metrics
from tlf.serving.refusals import RefusedError, refusal

OWN_NAMES = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?", re.IGNORECASE)
PATHS = ("/", "/health", "/metrics", "/openapi.json", "/predict")
METHODS = ("GET", "HEAD", "POST")
LARGEST_HEAD = 16_000
"""Bytes of all headers. h11 counts only those of a head that arrives in pieces."""
GONE = 499
"""The status of a request whose client has left. Nobody gets it; figures and lines have it."""
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Sender:
    """Sends an answer with safe headers, and remembers its status."""

    status = 0

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        """Send a part of it."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            headers.setdefault("Content-Security-Policy", "default-src 'none'")
        await self._send(message)


def guarded(
    app: ASGIApp, metrics: Metrics, log: Callable[[str], object] | None, *, own_names: bool
) -> ASGIApp:
    """The same application for those who may ask it.

    Parameters:
        app: the application. It answers its errors, and raises them again.
        metrics: where requests are counted.
        log: told a line for each request.
        own_names: see ``tlf.serving.server.application``.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        begin, sender, request = time.perf_counter(), Sender(send), Request(scope)
        refused = _refused(request, own_names=own_names)
        try:
            await _answered(refused.answer() if refused else app, scope, receive, sender)
        finally:
            _count(metrics, request, sender.status)
            if log is not None:
                log(_line(request, sender.status, time.perf_counter() - begin))

    return answer


async def _answered(app: ASGIApp, scope: Scope, receive: Receive, sender: Sender) -> None:
    try:
        await app(scope, receive, sender)
    except asyncio.CancelledError:  # the server stops, and has waited long enough
        if not sender.status:
            await refusal(503, "stopping", "the server stops; send it again")(
                scope, receive, sender
            )
    except Exception:
        if not sender.status:  # otherwise the error is reported and answered
            raise


def _refused(request: Request, *, own_names: bool) -> RefusedError | None:
    """Why a request is refused whatever it asks for: it is not for this server, or not from its own
    page, or has a head that nobody needs.
    """
    if sum(len(name) + len(value) for name, value in request.headers.raw) > LARGEST_HEAD:
        message = f"the headers must have at most {LARGEST_HEAD:,} bytes, got more; send fewer"
        return RefusedError(431, "large-head", message)
    host = request.headers.get("host", "")
    if own_names and not OWN_NAMES.fullmatch(host):
        return RefusedError(
            421, "other-host",
            f"Host must be 127.0.0.1 or localhost, got {printable(host)!r:.80}; write that address",
        )  # fmt: skip
    if request.method == "POST" and request.headers.get("sec-fetch-site") == "cross-site":
        return RefusedError(
            403, "other-website",
            "a page of another website must not send images; open this server's own page",
        )  # fmt: skip
    return None


def _count(metrics: Metrics, request: Request, status: int) -> None:
    """Count a request. Names that clients make up are counted as one."""
    path, method = request.scope["path"], request.method
    known = path if path in PATHS else "other"
    metrics.requests[method if method in METHODS else "other", known, status] += 1


def _line(request: Request, status: int, seconds: float) -> str:
    client = request.client.host if request.client else "-"
    target = printable(request.scope["path"])
    return f"{client} {request.method:.20} {target:.200} {status} {1000 * seconds:.1f} ms"
