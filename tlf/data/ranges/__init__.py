"""Byte ranges of large files, wherever they are: on a disk, on a web server, in object storage.

An `Object` is such a file in one version. Reading from it gives the bytes of that version, or an
error. Knows addresses and bytes, but neither images nor archives.
"""

from tlf.data.ranges.objects import Object, open_object
from tlf.data.ranges.patterns import find

__all__ = ["Object", "find", "open_object"]
