"""Addresses: which are paths, which are of something elsewhere, and how they are shown."""

import re

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


def scheme(address: str) -> str:
    """The scheme of an address in lower case; empty for a path.

    >>> scheme("HTTPS://host/a.tar"), scheme("s3://bucket/a.tar"), scheme("C:/a.tar")
    ('https', 's3', '')
    """
    found = _SCHEME.match(address)
    return found[1].lower() if found else ""
