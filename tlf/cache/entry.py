"""An entry of the cache: its key, its data, and the note that describes it.

Reads use ``pread``, not ``mmap``: the page cache of the system is used all the same, but the memory
of the process does not grow with what it has read, and a file that is truncated is an error, not a
crash.
"""

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from multiprocessing.context import get_spawning_popen
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from weakref import finalize

from tlf.runtime.cores import usable_cores
from tlf.runtime.strict_json import dumps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class EntryKey:
    """What an entry is, and everything that it depends on. Its hash is the entry's name."""

    kind: str
    """``pixels`` or ``activations``."""
    title: str
    """For a person: ``features of 245 images``."""
    key: Mapping[str, Any]
    """Everything that the bytes depend on, as JSON values."""

    @cached_property
    def name(self) -> str:
        """The name of the entry's folder."""
        text = dumps({"format": FORMAT, "kind": self.kind, **self.key}, sort_keys=True)
        return f"{self.kind}-{sha256(text.encode()).hexdigest()[:40]}"


@dataclass(frozen=True)
class Entry:
    """A stored entry. Picklable.

    A new process gets the open file from its parent, whether it is forked or not. A process that
    gets an entry in another way, such as through a queue, opens the file again.
    """

    folder: Path
    title: str
    bytes: int
    index: Any
    """What its writer stored about it, as JSON values."""
    used: float = field(default=0.0, compare=False)
    """Time of its last use, in seconds since 1970."""

    def read(self, start: int, length: int) -> "NDArray[np.uint8]":
        """A copy of ``length`` bytes from ``start`` on.

        Raises:
            OSError: the file was truncated or removed.
        """
        import numpy as np

        buffer = np.empty(length, dtype=np.uint8)
        self._check_whole(os.preadv(self._opened, [buffer.data], start), length)
        return buffer

    def rows(self, numbers: Sequence[int], length: int) -> "NDArray[np.uint8]":
        """Rows of ``length`` bytes each: (len(numbers), length).

        Raises:
            OSError: the file was truncated or removed.
        """
        import numpy as np

        buffer = np.empty(len(numbers) * length, dtype=np.uint8)
        view, opened, done = buffer.data, self._opened, 0
        for number in numbers:
            done += os.preadv(opened, [view[done : done + length]], number * length)
        self._check_whole(done, len(buffer))
        return buffer.reshape(len(numbers), length)

    def _check_whole(self, done: int, length: int) -> None:
        if done != length:
            raise OSError(f"{self.folder} was truncated while it was in use")

    def opened(self) -> Self:
        """The same entry, with its file open: it can be read even after it is removed.

        Raises:
            OSError: its data is removed, or cannot be read.
        """
        _ = self._opened
        return self

    @cached_property
    def _opened(self) -> int:
        """The file is open and locked as in use as long as this object exists."""
        import fcntl

        handle = self._closed_with_it(os.open(self.folder / "data", os.O_RDONLY))
        with suppress(OSError):  # some network file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_SH)
        return handle

    def _closed_with_it(self, handle: int) -> int:
        finalize(self, os.close, handle)
        return handle

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name != "_opened"}
        if "_opened" in vars(self) and get_spawning_popen() is not None:
            from multiprocessing.reduction import DupFd  # not on Windows

            state["_opened"] = DupFd(self._opened)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        sent = state.pop("_opened", None)
        vars(self).update(state)
        if sent is not None:
            vars(self)["_opened"] = self._closed_with_it(sent.detach())


def is_in_use(folder: Path) -> bool:
    """Whether any process has the entry in a folder open."""
    import fcntl

    try:
        with (folder / "data").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # it is removed, or cannot be locked
        return False
    return False


def open_entry(folder: Path) -> Entry | None:
    """The entry in a folder; its data is neither checked nor opened. None if its note is missing or
    damaged.
    """
    note = read_note(folder)
    if note is None:
        return None
    try:
        used = folder.stat().st_mtime
    except FileNotFoundError:  # another process has just removed it
        return None
    return Entry(folder, note["title"], note["bytes"], note["index"], used)


FORMAT = 1
"""Version of the format of notes and data. Entries of other versions are not found."""

_BLOCK = 16 * 2**20
"""Bytes per hash. Threads hash blocks in parallel."""


def write_note(folder: Path, title: str, key: Mapping[str, Any], index: object) -> None:
    """Write the note that describes the data of a folder.

    Raises:
        OSError: the disk is full or fails.
    """
    data = folder / "data"
    size = data.stat().st_size
    note = {
        "format": FORMAT,
        "title": title,
        "depends": key,
        "bytes": size,
        "blocks": _hashes(data, size),
        "index": index,
    }
    text = dumps(note, sort_keys=True)
    seal = sha256(text.encode()).hexdigest()
    (folder / "entry.json").write_text(f"{text}\n{seal}\n", encoding="utf-8")


def read_note(folder: Path) -> dict[str, Any] | None:
    """The note of a folder; None if it is missing or damaged."""
    try:
        content = (folder / "entry.json").read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return None
    text, _, seal = content.partition("\n")
    if sha256(text.encode()).hexdigest() != seal.strip():
        return None
    note: dict[str, Any] = json.loads(text)
    return note


def is_as_noted(folder: Path) -> bool:
    """Whether the note and the data of a folder are undamaged."""
    note, data = read_note(folder), folder / "data"
    try:
        size = data.stat().st_size
        return note is not None and size == note["bytes"] and _hashes(data, size) == note["blocks"]
    except FileNotFoundError:
        return False


def _hashes(path: Path, size: int) -> list[str]:
    """SHA-256 of every block of a file. Hashing releases the GIL."""

    def hash_block(start: int) -> str:
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            return sha256(file.read(min(_BLOCK, size - start))).hexdigest()

    with ThreadPoolExecutor(usable_cores()) as threads:
        return list(threads.map(hash_block, range(0, size, _BLOCK)))
