"""The members of a tar archive that is not compressed."""

import tarfile
from collections.abc import Iterator
from tarfile import TarFile, TarInfo

from tlf.builtin.shards.archive import AGAIN, Member, refused, tidy
from tlf.builtin.shards.index import Place
from tlf.builtin.shards.stream import Stream
from tlf.data.ranges import Object
from tlf.errors import DataError

_MOST = 2**20
"""Bytes of a header, at most: a long name, for example."""
_BLOCK = tarfile.BLOCKSIZE


def tar_members(source: Object) -> Iterator[Member]:
    """The files in a tar archive.

    Raises:
        DataError: it is cut or damaged, or a member is no plain file inside of it.
    """
    with Stream(source, _MOST) as stream:
        archive = _opened(source, stream)
        while (found := _next(source, archive)) is not None:
            if (member := _member(source, found, stream)) is not None:
                yield member
        _check_end(source, archive.offset, stream)


def _opened(source: Object, stream: Stream) -> TarFile:
    try:
        return tarfile.open(
            fileobj=stream, mode="r:", encoding="utf-8", errors="surrogateescape"
        )  # fmt: skip
    except _DAMAGED as error:
        raise DataError(
            f"{source.shown} must be a tar, zip or parquet file, got another or a damaged one "
            f"({error}); {AGAIN}, or copy it again"
        ) from error


def _next(source: Object, archive: TarFile) -> TarInfo | None:
    before = archive.offset
    archive.members.clear()  # type: ignore[attr-defined] # it would keep what it knows of each
    try:
        found = archive.next()
    except _DAMAGED as error:
        raise _damaged(source, before, error) from error
    if found is not None and (found.size < 0 or archive.offset <= found.offset):
        raise _damaged(source, before, ValueError("a size is less than 0"))
    return found


# tarfile raises errors of Python where a header has values that make no sense.
_DAMAGED = (tarfile.TarError, ValueError, OverflowError, RecursionError, EOFError)


def _member(source: Object, found: TarInfo, stream: Stream) -> Member | None:
    """A file; None for a folder."""
    name = tidy(source.shown, found.name)
    if found.isdir():
        return None
    _check_plain(source.shown, found)
    start, size = found.offset_data, found.size
    if start + size > source.size:
        raise DataError(
            f"{source.shown} is cut: {name!r} ends at byte {start + size:,}, the file at "
            f"{source.size:,}; {AGAIN}, or copy it again"
        )

    def begin() -> Stream:
        stream.seek(start)
        return stream

    return Member(name, Place(start, size), size, begin)


def _check_plain(address: str, found: TarInfo) -> None:
    if found.issym() or found.islnk():
        advice = f"{AGAIN} with tar --dereference --hard-dereference, or tarfile's dereference=True"
        raise refused(address, found.name, "a link", advice)
    if found.issparse():
        raise refused(address, found.name, "a sparse file", f"{AGAIN} without --sparse")
    if not found.isreg() or found.type not in tarfile.SUPPORTED_TYPES:
        raise refused(address, found.name, "no plain file", f"{AGAIN} without it")


def _check_end(source: Object, end: int, stream: Stream) -> None:
    """Check that the archive ends with a block of zeros, and that nothing follows.

    Raises:
        DataError: it was cut between two members, or has a damaged header there.
    """
    stream.seek(end)
    block = stream.read(_BLOCK)
    if len(block) < _BLOCK or any(block):
        where = "before its end mark" if end >= source.size else f"at byte {end:,}"
        raise DataError(f"{source.shown} is cut or damaged {where}; {AGAIN}, or copy it again")
    while block := stream.read(_MOST):
        if any(block):
            raise DataError(
                f"{source.shown} holds more behind its end mark at byte {end:,}, which no "
                "reader of tar sees; write one tar, or a shard for each"
            )


def _damaged(source: Object, at: int, error: BaseException) -> DataError:
    return DataError(
        f"{source.shown} is cut or damaged at byte {at:,} ({error}); {AGAIN}, or copy it again"
    )
