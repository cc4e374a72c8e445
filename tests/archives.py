"""Shards of a few images: tar, zip and parquet files."""

import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def write_tar(path: Path, members: Mapping[str, bytes] | Iterable[tuple[Any, bytes]]) -> str:
    """A tar archive. Members are names or `tarfile.TarInfo`, and bytes."""
    every = members.items() if isinstance(members, Mapping) else members
    with tarfile.open(path, "w") as archive:
        for member, data in every:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, BytesIO(data))
    return str(path)


def entry(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    """A member of a tar archive that is no plain file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def write_zip(path: Path, members: Mapping[str, bytes], how: int = zipfile.ZIP_STORED) -> str:
    """A zip archive."""
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return str(path)


def write_parquet(path: Path, rows: Iterable[tuple[str | None, bytes, Any]], group: int = 2) -> str:
    """A parquet file: the path, the bytes and the label of each row."""
    cells = [({"bytes": data, "path": name}, label) for name, data, label in rows]
    images, labels = zip(*cells, strict=True)
    table = pa.table({"image": list(images), "label": list(labels)})
    pq.write_table(table, path, row_group_size=group)
    return str(path)
