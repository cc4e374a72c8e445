"""Byte ranges of whatever fsspec opens: S3 and what is compatible with it, and others.

fsspec makes its event loop anew in a forked process, and a file system for each thread.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from errno import EBUSY, EIO
from typing import Any

from tlf.data.ranges import retries
from tlf.data.ranges.addresses import scheme, shown
from tlf.data.ranges.retries import PassingError, retried
from tlf.errors import StorageError, TlfError
from tlf.runtime.text import printable

_S3 = ("s3", "s3a")
_TAGS = (
    "ETag",
    "etag",
    "md5Hash",
    "generation",
    "LastModified",
    "last_modified",
    "mtime",
    "created",
)
"""What file systems call the version of a file, or the time when it was written."""

_PASSING = (EBUSY, EIO, 121)
"""How s3fs numbers 409 and 503, errors that it does not know, and 500 (EREMOTEIO)."""


def look(address: str) -> tuple[int, str]:
    """The size of a file and its version.

    Raises:
        StorageError: it cannot be read.
    """
    info = retried(address, lambda: _called(address, "info"), retries.FIRST_LIMIT)
    if info["type"] == "directory":
        raise StorageError(f"{shown(address)} must be a file, got a folder; add /*.tar to it")
    if info.get("size") is None:
        raise StorageError(
            f"{shown(address)} is a stream: nobody says how long it is, so its images cannot be "
            "read in any order; download it, and write its path"
        )
    return info["size"], _version(info)


def read(address: str, version: str, start: int, length: int) -> bytes:
    """So many bytes of a file, whatever version it is by now: file systems do not say it."""

    def attempt() -> bytes:
        found: bytes = _called(
            address, "cat_file", retries.allowed(length), start=start, end=start + length
        )
        return found

    return retried(address, attempt)


def matches(pattern: str) -> list[str]:
    """The addresses that a pattern with wildcards names.

    Raises:
        StorageError: they cannot be listed.
    """
    with _failures(pattern):
        path = _opened(pattern)[1]
    if not pattern.endswith(path):
        raise StorageError(
            f"{shown(pattern)} must have no *, ? or [; write an address for each file"
        )
    found = retried(pattern, lambda: _called(pattern, "glob", retries.LIMIT), retries.FIRST_LIMIT)
    return [pattern.removesuffix(path) + each for each in found]


def _called(address: str, method: str, seconds: float = retries.SILENCE, **options: object) -> Any:  # noqa: ANN401 - whatever the method returns
    """What a method of a file system returns for an address, within so many seconds."""
    with _failures(address):
        system, path = _opened(address)
        # Others have no time limit of fsspec's, only what their library sets.
        limit = {"timeout": seconds} if system.async_impl else {}
        return getattr(system, method)(path, **options, **limit)


def _opened(address: str) -> tuple[Any, str]:
    """The file system of an address, and its path there. Listings are not kept: they grow old."""
    from fsspec.core import url_to_fs

    system, path = url_to_fs(address, use_listings_cache=False)
    return system, path


@contextmanager
def _failures(address: str) -> Iterator[None]:
    """Say which failures of a file system may pass, and of which the user must know."""
    where = f"cannot read {shown(address)}"
    try:
        yield
    except TlfError:
        raise
    except FileNotFoundError as error:
        raise StorageError(f"{where}: there is no such file; correct the address") from error
    except PermissionError as error:
        raise StorageError(f"{where}: it is not allowed; {_credentials(address)}") from error
    except ImportError as error:
        raise StorageError(_install(address, error)) from error
    except Exception as error:  # each library has errors of its own
        reason = printable(shown(str(error).strip().partition("\n")[0])) or type(error).__name__
        if _passes(address, error):
            raise PassingError(reason) from error
        raise StorageError(f"{where}: {reason}; {_credentials(address)}") from error


def _passes(address: str, error: Exception) -> bool:
    if isinstance(error, TimeoutError | ConnectionError):
        return True
    if scheme(address) in _S3:
        from botocore import exceptions

        if isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError):
            return True
    return isinstance(error, OSError) and error.errno in _PASSING


def _credentials(address: str) -> str:
    if scheme(address) in _S3:
        return "check the address, AWS_PROFILE, AWS_ENDPOINT_URL and what they stand for"
    return "check the address, and how its library finds your credentials"


def _install(address: str, error: ImportError) -> str:
    """What is missing to read an address."""
    if scheme(address) in _S3:
        return f"reading {shown(address)} needs s3fs; write: pip install 'tlf[remote]'"
    return f"cannot read {shown(address)}: {error}"


def _version(info: Mapping[str, object]) -> str:
    tag = next((info[name] for name in _TAGS if info.get(name)), "")
    return f"{tag} {info['size']}".strip()
