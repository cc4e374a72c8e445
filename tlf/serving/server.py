"""The application: what a client may ask for, and what it is answered."""

import asyncio
import logging
import re
import secrets
import time
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

import tlf
from tlf.runtime.text import printable, printable_lines
from tlf.serving.answers import answer, identity
from tlf.serving.batches import Batches
from tlf.serving.computing import ComputingThread
from tlf.serving.guard import GONE, guarded
from tlf.serving.limits import ServingLimits
from tlf.serving.metrics import CONTENT_TYPE, Metrics
from tlf.serving.models import Models, Upload
from tlf.serving.openapi import description
from tlf.serving.page import page
from tlf.serving.refusals import REASONS, Json, RefusedError, refusal
from tlf.serving.uploads import Uploads

_log = logging.getLogger("tlf.serving")


class Server:
    """What is behind each address."""

    def __init__(
        self,
        models: Models,
        computes: ComputingThread,
        limits: ServingLimits,
        batch: int,
        window: float,
    ) -> None:
        """Serve models. ``computes``: the thread that has loaded them. ``batch``, ``window``: see
        ``Batches``.
        """
        self.models, self.limits = models, limits
        self.metrics, self.uploads = Metrics(), Uploads(limits)
        self.batches = Batches(
            lambda images: computes.submit(models.classify, images),
            batch, window, self.metrics.batches.add,
        )  # fmt: skip
        self.waiting = 0
        self._description = description(models, limits)
        self._page, self._policy = page(models, limits)

    async def predict(self, request: Request) -> Response:
        """Classify the images of a request."""
        begin, top = time.perf_counter(), _top(request)
        async with self.uploads.images_of(request) as images:
            found = answer(self.models.each, await self._classified(images), top)
        self.metrics.images += len(images)
        self.metrics.seconds.add(time.perf_counter() - begin)
        return Json(found)

    async def _classified(self, images: list[Upload]) -> list[list[tlf.Prediction]]:
        limits = self.limits
        if self.waiting >= limits.queue:
            raise RefusedError(503, "busy", f"{self.waiting} requests wait already; send it again")
        reads = [
            partial(self.models.read, image, number, limits.pixels)
            for number, image in enumerate(images)
        ]
        self.waiting += 1
        try:
            async with asyncio.timeout(limits.seconds) as timeout:
                return await self.batches.classified(reads)
        except TimeoutError:
            if not timeout.expired():
                raise
            message = f"the images were not classified within {limits.seconds:g} s; send fewer"
            raise RefusedError(504, "no-answer-in-time", message) from None
        finally:
            self.waiting -= 1

    async def health(self, _: Request) -> Response:
        """Whether the server can classify: it listens only then."""
        models = [identity(model) for model in self.models.each]
        return Json({"status": "ready", "tlf": tlf.__version__, "models": models})

    async def figures(self, _: Request) -> Response:
        """The metrics."""
        models = [{k: v or "" for k, v in identity(one).items()} for one in self.models.each]
        text = self.metrics.text(self.batches.waiting, self.waiting, models)
        return Response(text, headers={"Content-Type": CONTENT_TYPE})

    async def openapi(self, _: Request) -> Response:
        """The description of all this."""
        return Json(self._description)

    async def page(self, _: Request) -> Response:
        """A page on which a person drops images."""
        return HTMLResponse(self._page, headers={"Content-Security-Policy": self._policy})

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Classify batches while the server runs."""
        task = asyncio.create_task(self.batches.run())
        yield
        task.cancel()


def application(
    server: Server, log: Callable[[str], object] | None = None, *, own_names: bool = False
) -> ASGIApp:
    """The application.

    Parameters:
        server: what it serves.
        log: told a line for each request.
        own_names: answer only requests that name this computer as ``127.0.0.1`` or ``localhost``.
            A website could otherwise rename itself to this address, and read the answers.
    """
    handlers = {
        "/": server.page, "/health": server.health, "/metrics": server.figures,
        "/openapi.json": server.openapi,
    }  # fmt: skip
    routes = [Route(path, handler) for path, handler in handlers.items()]
    routes.append(Route("/predict", server.predict, methods=["POST"]))
    app = Starlette(
        routes=routes,
        lifespan=server.lifespan,
        exception_handlers={
            RefusedError: _refused, HTTPException: _nowhere, ClientDisconnect: _left,
            Exception: _failed,
        },
    )  # fmt: skip
    app.router.redirect_slashes = False
    return guarded(app, server.metrics, log, own_names=own_names)


def _top(request: Request) -> int | None:
    text = request.query_params.get("top")
    if text is None:
        return None
    if not re.fullmatch("0*[1-9][0-9]{0,5}", text, re.ASCII):
        message = f"top must be a number from 1 on, got {printable(text)!r:.60}; write, for example"
        raise RefusedError(400, "bad-top", f"{message}, top=5")
    return int(text)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return error.answer()


async def _nowhere(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path, status = printable(request.scope["path"]), error.status_code
    if status == 405:
        message = f"{path:.200} must be asked by another method, got {request.method:.20}"
        refused = refusal(status, "other-method", f"{message}; /openapi.json describes it")
    else:
        message = f"there is no {path:.200}; /openapi.json describes what there is"
        refused = refusal(status, "no-such-address", message)
    refused.headers.update(error.headers or {})
    return refused


async def _left(_: Request, __: Exception) -> Response:
    return Response(status_code=GONE)


async def _failed(_: Request, error: Exception) -> Response:
    """An error of the server's own: its client gets an id, and the log the traceback."""
    number = secrets.token_hex(4)
    lines = "".join(traceback.format_exception(error))
    _log.error("error %s\n%s", number, printable_lines(lines))
    return refusal(500, "failed", f"{REASONS[500]} {number}", id=number)
