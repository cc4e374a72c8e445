"""Byte ranges of files on web servers, by HTTP and HTTPS.

Each answer is checked: the range that it holds, the size and the version of the file. No answer
takes more memory than the range that was asked for.
"""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, InvalidURL, responses
from urllib.parse import urljoin, urlsplit

from tlf.data.ranges import retries
from tlf.data.ranges.addresses import changed, shown
from tlf.data.ranges.connections import Answer, answered
from tlf.data.ranges.retries import PassingError, retried
from tlf.errors import StorageError
from tlf.runtime.text import printable

_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)")
_PASSING = frozenset((408, 429, 500, 502, 503, 504))
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_MOST_REDIRECTS = 5
_PIECE = 2**20

_INSTEAD = "download the file, and write its path"


def look(address: str) -> tuple[int, str]:
    """The size of a file and its version. A byte of it is asked for, since not every server answers
    HEAD requests.

    Raises:
        StorageError: it cannot be read, or its server does not send ranges of it.
    """
    return retried(address, lambda: _looked(address), retries.FIRST_LIMIT)


def read(address: str, version: str, start: int, length: int) -> bytes:
    """So many bytes of a file.

    Raises:
        StorageError: they cannot be read, or the file is another version.
    """
    found = bytearray()  # what came before a connection was cut is not asked for again
    retried(address, lambda: _read_on(address, version, start, length, found))
    return bytes(found)


def _looked(address: str) -> tuple[int, str]:
    with _asked(address, 0, 1) as answer:
        if answer.status == 200 and answer.header("Content-Length") != "0":
            raise _no_ranges(address, answer)
        size = 0 if answer.status == 200 else _range(address, answer)[2]
        return size, _version(answer, size)


def _read_on(address: str, version: str, start: int, length: int, found: bytearray) -> None:
    """Ask for the bytes that are not in ``found`` yet, and add them."""
    begin, end = start + len(found), start + length
    with _asked(address, begin, end - begin) as answer:
        if answer.status == 200:
            raise _no_ranges(address, answer)
        first, behind, size = _range(address, answer)
        if _version(answer, size) != version:
            raise StorageError(changed(address))
        sent = answer.reply.length
        if (first, behind) != (begin, end) or (sent is not None and sent > end - begin):
            raise StorageError(
                f"the server of {shown(address)} must send the bytes that it is asked for, "
                f"got others; {_INSTEAD}"
            )
        _receive(answer, end - begin, found)


def _receive(answer: Answer, length: int, found: bytearray) -> None:
    """Add so many bytes of an answer, piece by piece."""
    until, missing = time.monotonic() + retries.allowed(length), length
    while missing:
        piece = answer.reply.read1(min(missing, _PIECE))
        if not piece:
            got = f"{length - missing:,} of {length:,} bytes"
            raise PassingError(f"the connection was cut after {got}")
        found += piece
        missing -= len(piece)
        if missing and time.monotonic() > until:
            raise PassingError(f"it sends fewer than {retries.SLOWEST:,} bytes a second")


@contextmanager
def _asked(address: str, start: int, length: int) -> Iterator[Answer]:
    """The answer to a request for a range, after redirects: of status 200, 206 or 416."""
    headers = {
        "Range": f"bytes={start}-{start + length - 1}",
        "Accept-Encoding": "identity",
        "User-Agent": "tlf",
    }
    url = address
    with _failures(address):
        for _ in range(_MOST_REDIRECTS + 1):
            with answered(url, headers) as answer:
                if answer.status not in _REDIRECTS:
                    _check(address, answer)
                    yield answer
                    return
                url = _redirected(address, url, answer.header("Location"))
    raise StorageError(f"{shown(address)} is redirected without end; write the final address")


@contextmanager
def _failures(address: str) -> Iterator[None]:
    """Say which failures of a connection may pass, and of which the user must know."""
    from ssl import SSLCertVerificationError

    where = f"cannot read {shown(address)}"
    try:
        yield
    except SSLCertVerificationError as error:
        raise StorageError(
            f"{where}: its certificate is not trusted ({error.verify_message}); "
            "set SSL_CERT_FILE to the file of the certificates that you trust"
        ) from error
    except TimeoutError as error:
        raise PassingError(f"nothing came for {retries.SILENCE:.0f} seconds") from error
    except socket.gaierror as error:
        if error.errno != socket.EAI_AGAIN:
            raise StorageError(f"{where}: there is no server of this name; correct it") from error
        raise PassingError("the name of its server could not be looked up") from error
    except OSError as error:
        reason = error.strerror or f"the connection was cut ({printable(str(error))})"
        raise PassingError(reason) from error
    except (InvalidURL, ValueError) as error:
        raise StorageError(f"{where}: it is no address; write https://server/path") from error
    except HTTPException as error:
        raise PassingError("the connection was cut, or its answer is not HTTP") from error


def _check(address: str, answer: Answer) -> None:
    """Refuse an answer without a range, or raise the failure that may pass."""
    status, where = answer.status, f"cannot read {shown(address)}"
    if status in _PASSING:
        wait = answer.header("Retry-After")
        seconds = float(wait) if wait.isascii() and wait.isdigit() else 0
        raise PassingError(f"the server answered {_named(status)}", seconds)
    if status == 401:
        advice = "write its name and password into ~/.netrc"
        raise StorageError(f"{where}: the server asks for a password ({_named(status)}); {advice}")
    if status == 403:
        advice = "check the address, and sign it again if its signature has expired"
        raise StorageError(f"{where}: the server does not allow it ({_named(status)}); {advice}")
    if status in (404, 410):
        raise StorageError(
            f"{where}: there is no such file ({_named(status)}); correct the address"
        )
    if status not in (200, 206, 416):
        raise StorageError(f"{where}: the server answered {_named(status)}; {_INSTEAD}")
    if answer.header("Content-Encoding") not in ("", "identity"):
        raise StorageError(f"{where}: the server compresses it on its way; {_INSTEAD}")


def _named(status: int) -> str:
    """A status in the words of the standard: those of the server are anybody's."""
    return f"{status} {responses.get(status, '')}".strip()


def _redirected(address: str, url: str, location: str) -> str:
    """Where a redirect leads. A name and a password go to no other server."""
    old, new = urlsplit(url), urlsplit(urljoin(url, location))
    if new.scheme not in ("http", "https") or (old.scheme, new.scheme) == ("https", "http"):
        raise StorageError(
            f"{shown(address)} is redirected to {shown(new.geturl())}, which is not safe; "
            "write the final address, if you trust it"
        )
    if (new.scheme, new.netloc) == (old.scheme, old.netloc.rpartition("@")[2]):
        new = new._replace(netloc=old.netloc)
    return new.geturl()


def _range(address: str, answer: Answer) -> tuple[int, int, int]:
    """Where the range of an answer begins, where it ends, and the size of the file."""
    found = _RANGE.fullmatch(answer.header("Content-Range"))
    if found is None:
        raise StorageError(
            f"the server of {shown(address)} must say how long the file is, and does not; "
            + _INSTEAD
        )
    if answer.status == 416 and found[3] != "0":
        return 0, 0, int(found[3])
    return int(found[1] or 0), int(found[2] or -1) + 1, int(found[3])


def _version(answer: Answer, size: int) -> str:
    tag = answer.header("ETag").removeprefix("W/") or answer.header("Last-Modified")
    return f"{tag} {size}".strip()


def _no_ranges(address: str, answer: Answer) -> StorageError:
    if not answer.header("Content-Length"):
        return StorageError(
            f"{shown(address)} is a stream: its server does not say how long it is, so its images "
            f"cannot be read in any order; {_INSTEAD}"
        )
    return StorageError(
        f"the server of {shown(address)} sends whole files only, no byte ranges; {_INSTEAD}"
    )
