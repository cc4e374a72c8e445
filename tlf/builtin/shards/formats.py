"""The formats of shards: which one a shard has, how its index is made, how a member is read."""

from hashlib import sha256

from tlf.builtin.shards.archive import AGAIN
from tlf.builtin.shards.index import Index, Place
from tlf.builtin.shards.parquet import parquet_index, read_row
from tlf.builtin.shards.samples import Layout, archive_index
from tlf.builtin.shards.tar import tar_members
from tlf.builtin.shards.zip_file import inflated, zip_members
from tlf.data.ranges import Object
from tlf.data.ranges.addresses import other_bytes
from tlf.errors import DataError, StorageError

_BEGIN = {b"PK\x03\x04": "zip", b"PK\x05\x06": "zip", b"PAR1": "parquet"}
"""How files of a format begin."""
_COMPRESSED = {
    b"\x1f\x8b": ("gzip", "gunzip"),
    b"BZh": ("bzip2", "bunzip2"),
    b"\xfd7zXZ": ("xz", "unxz"),
    b"\x28\xb5\x2f\xfd": ("zstd", "unzstd"),
}
"""How compressed files begin → by what, and the program that unpacks them."""


def format_of(source: Object) -> str:
    """``tar``, ``zip`` or ``parquet``, by its first bytes.

    Raises:
        DataError: it is empty, compressed as a whole, or encrypted.
    """
    begin = source.read(0, min(8, source.size))
    if not begin:
        raise DataError(f"{source.shown} is empty: it has no bytes; {AGAIN}")
    for magic, (name, program) in _COMPRESSED.items():
        if begin.startswith(magic):
            raise DataError(
                f"{source.shown} is compressed by {name}: no member can be read before all that "
                f"stand before it are unpacked; write {program} {source.shown} (images are "
                "compressed themselves)"
            )
    if begin.startswith(b"PARE"):
        raise DataError(f"{source.shown} is encrypted; {AGAIN} without encryption")
    return next((name for magic, name in _BEGIN.items() if begin.startswith(magic)), "tar")


def make_index(source: Object, layout: Layout) -> Index:
    """Read a shard once, and find its images.

    Raises:
        DataError: it is cut or damaged, or images and labels do not fit together.
    """
    kind = format_of(source)
    if kind == "parquet":
        return parquet_index(source, layout)
    members = (zip_members if kind == "zip" else tar_members)(source)
    return archive_index(source.shown, members, layout)


def read_member(source: Object, column: str, place: Place, size: int, digest: bytes) -> bytes:
    """An image as its index has it.

    Parameters:
        source: the shard.
        column: the column of images in a parquet file; empty for an archive.
        place: where it is.
        size: how many bytes it has.
        digest: their SHA-256.

    Raises:
        StorageError: its bytes cannot be read, or are others.
    """
    if not column and not place.packed:
        return source.read(place.first, place.second, digest.hex())
    if column:
        data = read_row(source, column, place)
    else:
        data = inflated(source, source.read(place.first, place.second), size)
    if sha256(data).digest() != digest:
        raise StorageError(other_bytes(source.address))
    return data
