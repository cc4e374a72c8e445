"""From the body of a request to the images in it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from starlette.requests import Request

from tlf.serving.forms import Form
from tlf.serving.limits import ServingLimits
from tlf.serving.models import Upload
from tlf.serving.refusals import RefusedError

FORM = "multipart/form-data"
BYTES = "application/octet-stream"


class Uploads:
    """Reads requests. All requests together hold ``limits.held`` bytes at most."""

    def __init__(self, limits: ServingLimits) -> None:
        self._limits = limits
        self._held = 0

    @asynccontextmanager
    async def images_of(self, request: Request) -> AsyncIterator[list[Upload]]:
        """The images of a request, of which there is one at least.

        Raises:
            RefusedError: it is too large or too slow, has another type, or no image.
            ClientDisconnect: its client is gone.
        """
        taken = 0

        async def parts() -> AsyncGenerator[bytes, None]:
            nonlocal taken
            async with aclosing(request.stream()) as stream:
                async for part in stream:
                    taken += len(part)
                    self._held += len(part)
                    self._check(taken)
                    yield part

        try:
            yield await self._arrived(request, parts())
        finally:
            self._held -= taken

    def _check(self, size: int) -> None:
        if size > self._limits.body:
            raise RefusedError(
                413, "too-large",
                f"the body must have at most {self._limits.body:,} bytes, got more; send fewer or "
                "smaller images",
            )  # fmt: skip
        if self._held > self._limits.held:
            raise RefusedError(503, "busy", "too many images arrive now; send it again")

    async def _arrived(self, request: Request, parts: AsyncGenerator[bytes, None]) -> list[Upload]:
        said = request.headers.get("content-length", "")
        self._check(int(said) if said.isdecimal() else 0)
        seconds = self._limits.seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._images(request, parts)
        except TimeoutError:
            message = f"the request must arrive within {seconds:g} s, got a part of it"
            raise RefusedError(408, "too-slow", f"{message}; send it again") from None

    async def _images(self, request: Request, parts: AsyncGenerator[bytes, None]) -> list[Upload]:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == FORM:
            images = await self._of_form(request, parts)
        elif kind.startswith("image/") or kind == BYTES:
            data = b"".join([part async for part in parts])
            images = [Upload(None, data)] if data else []
        else:
            raise RefusedError(
                415, "no-image-type",
                f"Content-Type must be image/…, {BYTES} or {FORM}, got {kind!r:.60}; write, for "
                "example: curl -F image=@ant.jpg",
            )  # fmt: skip
        if not images:
            raise RefusedError(400, "no-image", "the request must hold an image, got none; add one")
        return images

    async def _of_form(self, request: Request, parts: AsyncGenerator[bytes, None]) -> list[Upload]:
        form = Form(request.headers["content-type"], self._limits.images)
        async for part in parts:
            form.write(part)
        return form.files()
