"""Addresses: which are paths, which are of something elsewhere, and how they are shown."""

import re

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_SECRETS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+://)(?:[^/?#\s]*@)?([^?#\s'\"]*)(\?[^\s'\"]*=)?")
_STREAM = re.compile(r"-|(pipe|fd|cmd):.*", re.DOTALL)
_AFTER = re.compile(r"(\?…)[^\s'\"]*")


def scheme(address: str) -> str:
    """The scheme of an address in lower case; empty for a path.

    >>> scheme("HTTPS://host/a.tar"), scheme("s3://bucket/a.tar"), scheme("C:/a.tar")
    ('https', 's3', '')
    """
    found = _SCHEME.match(address)
    return found[1].lower() if found else ""


def is_remote(address: str) -> bool:
    """Whether an address is of something that is not in a file of this computer.

    >>> is_remote("s3://bucket/a.tar"), is_remote("file:///a.tar"), is_remote("a.tar")
    (True, False, False)
    """
    return scheme(address) not in ("", "file")


def is_stream(address: str) -> bool:
    """Whether an address stands for the output of a program, as webdataset has it.

    >>> is_stream("pipe:curl -s http://host/a.tar"), is_stream("a.tar")
    (True, False)
    """
    return bool(_STREAM.fullmatch(address))


def shown(text: str) -> str:
    """An address, or a sentence with some, without passwords and signatures.

    >>> shown("https://me:secret@host/a.tar?Signature=abc"), shown("images/a.tar")
    ('https://host/a.tar?…', 'images/a.tar')
    """
    return _AFTER.sub(r"\1", _SECRETS.sub(lambda m: m[1] + m[2] + ("?…" if m[3] else ""), text))


def changed(address: str) -> str:
    """The error for a file that is another version than the one that was opened."""
    return (
        f"{shown(address)} has changed since it was first read; "
        "start again when nothing writes to it"
    )


def other_bytes(address: str, part: str = "bytes") -> str:
    """The error for other bytes in the version that was opened: to start again would not help."""
    anew = "upload the file again" if scheme(address) else "touch the file"
    return (
        f"{part} of {shown(address)} are not those that were first read; put the old content back, "
        f"or {anew} if this one is right"
    )
