"""Connections to web servers: kept open between requests, used by one thread at a time."""

import os
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from tlf.data.ranges import retries
from tlf.errors import StorageError

if TYPE_CHECKING:
    from ssl import SSLContext

MOST_IDLE = 32
"""Connections to a server that wait for the next request, at most."""

_SMALL = 2**16
"""Bytes of an answer that nobody needs, and that are read to keep its connection."""

_idle: dict[tuple[str, str], list[HTTPConnection]] = {}
"""By scheme and host. A thread takes one out while it uses it."""


@dataclass(frozen=True)
class Answer:
    """A server's answer, whose body has not been read."""

    reply: HTTPResponse
    connection: HTTPConnection

    @property
    def status(self) -> int:
        """Such as 206 for a range."""
        return self.reply.status

    def header(self, name: str) -> str:
        """A header without blanks around it; empty where it is missing."""
        return (self.reply.getheader(name) or "").strip()


@contextmanager
def answered(url: str, headers: dict[str, str]) -> Iterator[Answer]:
    """Send a GET request and yield the answer. Afterwards the connection is kept, where all of the
    answer was read; what is left of a small one is read for it.

    Raises:
        OSError, HTTPException: there is no connection, or it was lost.
        ValueError: it is no address of a server.
    """
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("it names no server")
    answer = _request(parts, {**headers, **_authorization(parts)})
    kept = False
    try:
        yield answer
        if 0 < (answer.reply.length or 0) <= _SMALL:
            answer.reply.read()
        kept = answer.reply.length == 0 and not answer.reply.will_close
    finally:
        answer.reply.close()
        if kept:
            _keep(parts, answer.connection)
        else:
            answer.connection.close()


def close_idle() -> None:
    """Close the connections that wait. A forked process does it first: those of its parent are the
    parent's.
    """
    for connections in _idle.values():
        for connection in connections:
            connection.close()
    _idle.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=close_idle)


def _request(parts: SplitResult, headers: dict[str, str]) -> Answer:
    """Send a request over a connection that waits. It may be closed by now; then over a new one."""
    try:
        kept = _idle.get((parts.scheme, parts.netloc), []).pop()
    except IndexError:
        return _sent(_new(parts), parts, headers)
    try:
        return _sent(kept, parts, headers)
    except TimeoutError:
        raise
    except (OSError, HTTPException):
        return _sent(_new(parts), parts, headers)


def _sent(connection: HTTPConnection, parts: SplitResult, headers: dict[str, str]) -> Answer:
    target = quote(parts.path or "/", safe="/%:=&~+!$,;'()*@[]")
    target += "?" + quote(parts.query, safe="/%:=&?~+!$,;'()*@[]") if parts.query else ""
    proxy = _proxy(parts.scheme, _host(parts))
    if proxy and parts.scheme == "http":
        target = urlunsplit((parts.scheme, _host(parts), "", "", "")) + target
        headers = {**headers, **_authorization(proxy, "Proxy-Authorization")}
    try:
        connection.request("GET", target, headers=headers | {"Host": _host(parts)})
        return Answer(connection.getresponse(), connection)
    except BaseException:
        connection.close()
        raise


def _new(parts: SplitResult) -> HTTPConnection:
    """A connection, which the first request opens."""
    proxy = _proxy(parts.scheme, _host(parts))
    near, usual = (proxy, 80) if proxy else (parts, 443 if parts.scheme == "https" else 80)
    host, port = near.hostname or "", near.port or usual
    if parts.scheme == "http":
        return HTTPConnection(host, port, timeout=retries.SILENCE)
    connection = HTTPSConnection(host, port, timeout=retries.SILENCE, context=_certificates())
    if proxy:
        through = _authorization(proxy, "Proxy-Authorization")
        connection.set_tunnel(parts.hostname or "", parts.port or 443, through)
    return connection


def _keep(parts: SplitResult, connection: HTTPConnection) -> None:
    waiting = _idle.setdefault((parts.scheme, parts.netloc), [])
    if len(waiting) < MOST_IDLE:
        waiting.append(connection)
    else:
        connection.close()


def _host(parts: SplitResult) -> str:
    """Host and port, without name and password."""
    return parts.netloc.rpartition("@")[2]


@lru_cache
def _proxy(scheme: str, host: str) -> SplitResult | None:
    """The proxy that the environment names for a server."""
    proxy = getproxies().get(scheme)
    if not proxy or proxy_bypass(host):
        return None
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}")


def _authorization(parts: SplitResult, header: str = "Authorization") -> dict[str, str]:
    """The header with the name and password of an address, or else of the user's ``.netrc``."""
    name, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not name and header == "Authorization":
        name, password = _netrc(parts.hostname or "")
    if not name and not password:
        return {}
    return {header: "Basic " + b64encode(f"{name}:{password}".encode()).decode()}


@lru_cache
def _netrc(host: str) -> tuple[str, str]:
    from netrc import NetrcParseError, netrc

    path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
    try:
        found = netrc(path).hosts.get(host)
    except FileNotFoundError:
        return "", ""
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    except NetrcParseError as error:  # its message may hold a password
        raise StorageError(f"line {error.lineno} of {path} is wrong; correct it") from None
    return (found[0], found[2] or "") if found else ("", "")


@lru_cache
def _certificates() -> "SSLContext":
    from ssl import create_default_context

    return create_default_context()
