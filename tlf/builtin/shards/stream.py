"""A shard as a file object, for libraries that read archives."""

import io
from errno import EINVAL
from typing import TYPE_CHECKING

from tlf.data.ranges import Object
from tlf.errors import DataError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 4 * 2**20
"""Bytes that are read ahead: an archive is read from its beginning to its end."""


class Raw(io.RawIOBase):
    """Reads just the bytes that are asked for. Bytes behind the end are none."""

    def __init__(self, source: Object) -> None:
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The position that is read next."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._source.size}
        if start[whence] + offset < 0:
            raise OSError(EINVAL, "a position must be 0 or more")  # as files do
        self._position = start[whence] + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fill a buffer, as far as there are bytes."""
        view = memoryview(buffer).cast("B")
        length = max(0, min(len(view), self._source.size - self._position))
        view[:length] = self._source.read(self._position, length)
        self._position += length
        return length


class Stream(io.BufferedReader):
    """Reads ahead, and refuses to read more than ``most`` bytes at once: a header of some bytes may
    claim gigabytes.
    """

    def __init__(self, source: Object, most: int) -> None:
        super().__init__(Raw(source), BLOCK)
        self._source, self._most = source, most

    def read(self, size: int | None = -1, /) -> bytes:
        """So many bytes, or all that are left; fewer where the shard ends.

        Raises:
            DataError: they are too many, or cannot be read.
        """
        left = max(0, self._source.size - self.tell())
        if size is None or not 0 <= size <= left:
            size = left
        if size > self._most:
            raise DataError(
                f"{self._source.shown} has a header that claims {size:,} bytes; at most "
                f"{self._most:,} are read: it is damaged, write it again"
            )
        return super().read(size)
