"""How often a JPEG goes over its image: a small file may do so for minutes."""

import re

from tlf.errors import DataError

MOST_SCANS = 100
"""Scans of a JPEG, at most; programs write about ten. Each goes over the whole image, and an empty
one takes 11 bytes: a file of a megabyte could take minutes. libtiff has this limit for JPEG in
TIFF."""

_SCAN, _END = 0xDA, 0xD9
_ALONE = {0x01, 0xD8}
"""Markers without a length, beside the end and those between the parts of a scan."""
_MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])", re.DOTALL)
"""What is no byte of a scan, nor between its parts (ITU-T T.81, B.1.1.2)."""


def check_scans(data: bytes) -> None:
    """Check the number of a JPEG's scans.

    Raises:
        DataError: there are too many.
    """
    if data.count(bytes([0xFF, _SCAN])) <= MOST_SCANS:  # most files are known by this alone
        return
    if (scans := _scans(data)) > MOST_SCANS:
        raise DataError(f"a JPEG may have at most {MOST_SCANS} scans, got {scans:,}; save it anew")


def _scans(data: bytes) -> int:
    """Scans up to the end of the image. What is within a segment, or behind the end, is none."""
    scans, place = 0, 0
    while (found := _MARKER.search(data, place)) and (marker := found[1][0]) != _END:
        scans += marker == _SCAN
        place = found.end()
        if marker not in _ALONE:
            place += int.from_bytes(data[place : place + 2])
    return scans
