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


def files_of(folder: Path) -> dict[str, bytes]:
    """The images in class folders: ``ants/1.jpg`` → bytes."""
    return {f"{p.parent.name}/{p.name}": p.read_bytes() for p in sorted(folder.glob("*/*"))}


def shards_of(folder: Path, images: Path) -> dict[str, dict[str, str]]:
    """The images of a folder in all kinds of shards, in other orders: kind → options of a dataset
    of shards. ``keys`` is webdataset's layout.
    """
    for split in ("train", "val"):
        files = dict(sorted(files_of(images / split).items(), reverse=True))
        keys: dict[str, bytes] = {}
        for path, data in files.items():
            (label, base), suffix = path.split("/"), Path(path).suffix
            key = f"{label}-{Path(base).stem}"
            keys |= {f"{key}{suffix}": data, f"{key}.cls": label.encode()}
        write_tar(folder / f"{split}-keys.tar", keys)
        write_zip(folder / f"{split}.zip", files, zipfile.ZIP_DEFLATED)
        rows = [(Path(path).name, data, path.split("/")[0]) for path, data in files.items()]
        for number in (0, 1):
            odd = {f"./{path}": files[path] for path in [*files][number::2]}
            write_tar(folder / f"{split}-{number}.tar", odd)
            uneven = rows[: len(rows) // 3] if number else rows[len(rows) // 3 :]
            write_parquet(folder / f"{split}-{number}.parquet", uneven, group=3)
    ends = {"tar": "-{0,1}.tar", "keys": "-keys.tar", "zip": ".zip", "parquet": "-*.parquet"}
    return {
        kind: {"train": f"{folder}/train{end}", "eval": f"{folder}/val{end}"}
        for kind, end in ends.items()
    }
