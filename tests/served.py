"""A server in this process, and a client that asks it."""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import tlf
from tlf.events import ServerStarted

SECONDS = 60
"""A busy machine may take its time."""


class Client:
    """Asks a server that runs in this process."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.place = (urlsplit(address).hostname, urlsplit(address).port)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> SimpleNamespace:
        """Status, headers, bytes and, if it is one, the JSON of an answer."""
        connection = http.client.HTTPConnection(*self.place, timeout=SECONDS)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        is_json = answer.headers.get_content_type() == "application/json"
        content = json.loads(data) if is_json and data else None
        return SimpleNamespace(
            status=answer.status, headers=answer.headers, data=data, json=content
        )

    def predict(self, *images: Path | bytes, query: str = "") -> SimpleNamespace:
        """Send images as the files of a form."""
        files = {f"{n}.jpg": one for n, one in enumerate(images) if isinstance(one, bytes)}
        files |= {name_of(one): one.read_bytes() for one in images if isinstance(one, Path)}
        body = form(files)
        return self.ask("POST", f"/predict{query}", body, Content_Type=FORM)

    def raw(self, data: bytes) -> bytes:
        """All that comes back for bytes, until the server closes the connection."""
        with socket.create_connection(self.place, timeout=SECONDS) as one:
            one.sendall(data)
            return rest_of(one)

    def lives(self) -> bool:
        """Whether the server still classifies."""
        return self.ask("GET", "/health").status == 200


def rest_of(connection: socket.socket) -> bytes:
    """All that comes until the other side closes a connection."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def name_of(path: Path) -> str:
    """What a client calls an image."""
    return f"{path.parent.name}-{path.name}"


FORM = "multipart/form-data; boundary=cut"


def form(files: Mapping[str, bytes], end: bytes = b"--cut--\r\n") -> bytes:
    """A form with files."""
    head = 'Content-Disposition: form-data; name="image"; filename="{}"\r\n\r\n'
    parts = (b"--cut\r\n" + head.format(n).encode() + d + b"\r\n" for n, d in files.items())
    return b"".join(parts) + end


@contextmanager
def serving(*runs: Path, **settings: Any) -> Iterator[Client]:
    """Serve runs at a free port, while the context lasts."""
    served = tlf.serve(runs, port=0, **settings)
    started = next(served)
    assert isinstance(started, ServerStarted)
    try:
        yield Client(started.address)
    finally:
        served.close()
