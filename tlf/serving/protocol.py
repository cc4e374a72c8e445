"""HTTP for impatient servers: uvicorn's protocol, with limits on the time in which the head of a
request arrives, and in which its client takes what is sent.
"""

import asyncio
import os
from functools import cache
from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from tlf.runtime.strict_json import dumps
from tlf.serving.refusals import error_of

HEAD_SECONDS = 10.0
"""How long the line and the headers of a request may take to arrive."""
TAKEN_SECONDS = 30.0
"""How long a client may leave a part of what is sent to it."""
FILES = 100
"""Files that the program may open besides connections."""


@cache
def most_connections() -> int:
    """How many connections may be open: where files run out, nobody could connect any more."""
    if os.name != "posix":
        return 400
    from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit

    files = getrlimit(RLIMIT_NOFILE)[0]
    return 10_000 if files == RLIM_INFINITY else max(1, min(files - FILES, 10_000))


class Protocol(H11Protocol):
    """uvicorn waits for the head of a request as long as its client wants, and for a client that
    reads no answer.
    """

    _late: asyncio.TimerHandle | None = None
    _untaken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # writing pauses until all is taken
        if len(self.connections) > most_connections():
            self._refuse(503, "busy", "too many connections are open; try again")
            return
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a head, or no more."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        super().connection_lost(exc)
        self._stop()
        self._taken()

    def pause_writing(self) -> None:
        """Wait for a client to take what is sent, a closing connection's, too."""
        super().pause_writing()
        self._untaken = self.loop.call_later(TAKEN_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It has taken all."""
        super().resume_writing()
        self._taken()

    def send_400_response(self, msg: str) -> None:
        """Say that bytes are no request, as all errors are said."""
        self._refuse(400, "no-request", "the bytes must be an HTTP request, got others")

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._late is None:
            self._late = self.loop.call_later(HEAD_SECONDS, self._end)

    def _stop(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _taken(self) -> None:
        if self._untaken is not None:
            self._untaken.cancel()
            self._untaken = None

    def _end(self) -> None:
        """End a connection whose client is too slow, or sends on after its answer."""
        message = f"the head of a request must arrive within {HEAD_SECONDS:g} s, got a part of it"
        self._refuse(408, "too-slow", message)

    def _refuse(self, status: int, code: str, message: str) -> None:
        if self.transport.is_closing():
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            if self.cycle is not None:
                self.cycle.disconnected = True  # what comes from the application is too late
            self._send_error(status, dumps(error_of(status, code, message)).encode())
        self.transport.close()

    def _send_error(self, status: int, body: bytes) -> None:
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
        ]
        reason = HTTPStatus(status).phrase.encode()
        head = h11.Response(status_code=status, headers=headers, reason=reason)
        events = (head, h11.Data(data=body), h11.EndOfMessage())
        self.transport.write(b"".join(self.conn.send(event) or b"" for event in events))
