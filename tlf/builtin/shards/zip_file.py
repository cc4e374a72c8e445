"""The members of a zip archive: stored as they are, or deflated."""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from zipfile import ZipFile, ZipInfo

from tlf.builtin.shards.archive import AGAIN, Member, Readable, refused, tidy
from tlf.builtin.shards.index import Place
from tlf.builtin.shards.stream import Stream
from tlf.data.ranges import Object
from tlf.data.ranges.addresses import other_bytes
from tlf.errors import DataError, StorageError

_MOST = 2**30
"""Bytes of the list of members, at most."""
_LOCAL = 30
"""Bytes of the header before a member, up to its name."""
_DAMAGED = (
    zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, EOFError, zlib.error,
    struct.error, RuntimeError,
)  # fmt: skip


def zip_members(source: Object) -> Iterator[Member]:
    """The files in a zip archive.

    Raises:
        DataError: it is cut or damaged, or a member is no plain file inside of it.
    """
    with Stream(source, _MOST) as stream:
        try:
            archive = ZipFile(stream)
        except _DAMAGED as error:
            raise _damaged(source, error) from error
        infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
        if sum(info.compress_size for info in infos) > source.size:
            raise DataError(f"{source.shown}: its members claim more bytes than it has; {AGAIN}")
        for info in infos:
            name = tidy(source.shown, info.filename)
            if not info.is_dir():
                _check_plain(source.shown, info)
                yield _member(source, archive, info, name)


def inflated(source: Object, data: bytes, size: int) -> bytes:
    """The bytes of a deflated member.

    Raises:
        StorageError: they are others than so many.
    """
    unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        # One byte more shows a member that would unpack to more than it says.
        found = unpacking.decompress(data, size + 1)
    except zlib.error as error:
        raise StorageError(other_bytes(source.address)) from error
    if len(found) != size:
        raise StorageError(other_bytes(source.address))
    return found


def _member(source: Object, archive: ZipFile, info: ZipInfo, name: str) -> Member:
    header = source.read(info.header_offset, _LOCAL)
    lengths = struct.unpack("<HH", header[_LOCAL - 4 :])
    start = info.header_offset + _LOCAL + sum(lengths)
    place = Place(start, info.compress_size, int(info.compress_type == zipfile.ZIP_DEFLATED))
    return Member(name, place, info.file_size, lambda: _Reader(source, archive, info))


class _Reader:
    """The unpacked bytes of a member, whose checksum is checked at its end."""

    def __init__(self, source: Object, archive: ZipFile, info: ZipInfo) -> None:
        self._source = source
        try:
            self._file: Readable = archive.open(info)
        except _DAMAGED as error:
            raise _damaged(source, error) from error

    def read(self, size: int, /) -> bytes:
        try:
            return self._file.read(size)
        except _DAMAGED as error:
            raise _damaged(self._source, error) from error


def _check_plain(address: str, info: ZipInfo) -> None:
    if stat.S_ISLNK(info.external_attr >> 16):
        raise refused(address, info.filename, "a link", f"{AGAIN} with the file itself")
    if info.flag_bits & 0x41:
        raise refused(address, info.filename, "encrypted", f"{AGAIN} without a password")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        advice = f"{AGAIN} with zip -0, which stores members as they are"
        raise refused(address, info.filename, "neither stored nor deflated", advice)


def _damaged(source: Object, error: BaseException) -> DataError:
    return DataError(f"{source.shown} is cut or damaged ({error}); {AGAIN}, or copy it again")
