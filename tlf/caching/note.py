"""The note in an entry's folder: what the data holds and was computed from, and its hashes."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

from tlf.cores import usable_cores

FORMAT = 1
"""Of a note and its data; entries of another are not found."""
_BLOCK = 16 * 2**20
"""Bytes that are hashed by themselves, so that threads can share the work."""


def write_note(folder: Path, title: str, depends: Mapping[str, Any], index: object) -> None:
    """Note what a folder's data is, as it is now.

    Raises:
        OSError: the disk is full, or broke.
    """
    data = folder / "data"
    size = data.stat().st_size
    note = {
        "format": FORMAT,
        "title": title,
        "depends": depends,
        "bytes": size,
        "blocks": _hashes(data, size),
        "index": index,
    }
    text = json.dumps(note, sort_keys=True)
    seal = sha256(text.encode()).hexdigest()
    (folder / "entry.json").write_text(f"{text}\n{seal}\n", encoding="utf-8")


def read_note(folder: Path) -> dict[str, Any] | None:
    """What was noted, or None where it is gone or a byte of it is another."""
    try:
        written = (folder / "entry.json").read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return None
    text, _, seal = written.partition("\n")
    if sha256(text.encode()).hexdigest() != seal.strip():
        return None
    note: dict[str, Any] = json.loads(text)
    return note


def is_as_noted(folder: Path) -> bool:
    """Whether every byte of a folder's note and data is as it was written."""
    note, data = read_note(folder), folder / "data"
    try:
        size = data.stat().st_size
        return note is not None and size == note["bytes"] and _hashes(data, size) == note["blocks"]
    except FileNotFoundError:
        return False


def _hashes(path: Path, size: int) -> list[str]:
    """SHA-256 of every block of a file; hashing lets other threads run."""

    def one(start: int) -> str:
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            return sha256(file.read(min(_BLOCK, size - start))).hexdigest()

    with ThreadPoolExecutor(usable_cores()) as threads:
        return list(threads.map(one, range(0, size, _BLOCK)))
