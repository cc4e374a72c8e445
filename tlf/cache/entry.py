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
from tlf.runtime.regular_file import NotRegularError, check_regular, read_regular
from tlf.runtime.strict_json import dumps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class EntryKey:
    """What an entry is, and everything that it depends on. Its hash is the entry's name."""

    kind: str
    """``pixels``, ``full-pixels``, ``shapes``, ``files``, ``activations``, ``embeddings``,
    ``findings``, ``comparisons`` or ``probes``."""
    title: str
    """For a person: ``features of 245 images``."""
    key: Mapping[str, Any]
    """Everything that the bytes depend on, as JSON values."""
    share: float = 1.0
    """The largest part of the budget that entries of this kind take together. Below 1, they evict
    entries of their own kind only."""

    @cached_property
    def name(self) -> str:
        """The name of the entry's folder."""
        text = dumps({"format": FORMAT, "kind": self.kind, **self.key}, sort_keys=True)
        return f"{self.kind}-{sha256(text.encode()).hexdigest()[:40]}"

    def describes(self, entry: "Entry") -> bool:
        """Whether an entry says that it is the one of this key."""
        return bool(entry.depends == json.loads(dumps(self.key)))


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
    depends: Any = field(default=None, compare=False, repr=False)
    """Its key, as its writer noted it."""
    used: float = field(default=0.0, compare=False)
    """Time of its last use, in seconds since 1970."""

    @property
    def kind(self) -> str:
        """The kind of its key."""
        return self.folder.name.rpartition("-")[0]

    def read(self, start: int, length: int) -> "NDArray[np.uint8]":
        """A copy of ``length`` bytes from ``start`` on.

        Raises:
            OSError: the file was truncated or removed.
        """
        import numpy as np

        buffer = np.empty(length, dtype=np.uint8)
        self.read_into(buffer, start)
        return buffer

    def read_into(self, buffer: "NDArray[np.uint8]", start: int) -> None:
        """Fill a buffer with the bytes from ``start`` on.

        Raises:
            OSError: the file was truncated or removed.
        """
        self._check_whole(os.preadv(self._opened, [buffer.data], start), len(buffer))

    def rows(
        self, numbers: Sequence[int], length: int, buffer: "NDArray[np.uint8] | None" = None
    ) -> "NDArray[np.uint8]":
        """Rows of ``length`` bytes each: (len(numbers), length).

        Parameters:
            numbers: which rows.
            length: bytes of a row.
            buffer: where they are put, one after the other; by default, into new memory.

        Raises:
            OSError: the file was truncated or removed.
        """
        import numpy as np

        if buffer is None:
            buffer = np.empty(len(numbers) * length, dtype=np.uint8)
        view, opened, done = buffer.data, self._opened, 0
        for number in numbers:
            done += os.preadv(opened, [view[done : done + length]], number * length)
        self._check_whole(done, len(buffer))
        return buffer.reshape(len(numbers), length)

    def is_whole(self) -> bool:
        """Whether its data, once opened, is as long as it was."""
        return os.fstat(self._opened).st_size == self.bytes

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

        handle = self._closed_with_it(_open(self.folder / "data"))
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
        # What is no file, such as a pipe, is not waited for.
        handle = os.open(folder / "data", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:  # it is removed
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # it cannot be locked
        return False
    finally:
        os.close(handle)
    return False


def _open(data: Path | str, flags: int = os.O_RDONLY) -> int:
    # Something else may stand in its place: a pipe is not waited for.
    return os.open(data, flags | os.O_NONBLOCK)


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
    return Entry(folder, note["title"], note["bytes"], note["index"], note["depends"], used)


FORMAT = 1
"""Version of the format of notes and data. Entries of other versions are not found."""

_LARGEST_NOTE = 2**30
"""Bytes of a note at most. It has some 30 for each image."""

_BLOCK = 16 * 2**20
"""Bytes per hash. Threads hash blocks in parallel."""

_PIECE = 2**20
"""Bytes that a thread holds of a block at a time: on many cores, whole blocks would take much
memory."""


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
    text = dumps(note, sort_keys=True).encode()  # of very many images, it is large
    with (folder / "entry.json").open("wb") as file:
        file.write(text)
        file.write(f"\n{sha256(text).hexdigest()}\n".encode())


def read_note(folder: Path) -> dict[str, Any] | None:
    """The note of a folder; None if it is missing, damaged or of another version."""
    try:
        text, _, seal = read_regular(folder / "entry.json", _LARGEST_NOTE).partition(b"\n")
        if sha256(text).hexdigest().encode() != seal.strip():
            return None
        note = json.loads(text)
    except (FileNotFoundError, NotADirectoryError, NotRegularError, ValueError, RecursionError):
        return None
    return note if _is_note(note) else None


def _is_note(note: object) -> bool:
    """Whether the content of a note is what ``write_note`` writes."""
    if not isinstance(note, dict) or note.keys() != _KINDS.keys():
        return False
    kinds = all(isinstance(note[name], kind) for name, kind in _KINDS.items())
    return kinds and note["format"] == FORMAT and note["bytes"] >= 0


_KINDS = {
    "format": int,
    "title": str,
    "depends": dict,
    "bytes": int,
    "blocks": list,
    "index": object,
}
"""What a note consists of."""


def is_as_noted(folder: Path) -> bool:
    """Whether the note and the data of a folder are undamaged."""
    note, data = read_note(folder), folder / "data"
    if note is None:
        return False
    try:
        check_regular(data, note["bytes"])
        size = data.stat().st_size
        return bool(size == note["bytes"] and _hashes(data, size) == note["blocks"])
    except (FileNotFoundError, NotRegularError):
        return False


def _hashes(path: Path, size: int) -> list[str]:
    """SHA-256 of every block of a file. Hashing releases the GIL."""

    def hash_block(start: int) -> str:
        end, digest = min(start + _BLOCK, size), sha256()
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            for place in range(start, end, _PIECE):
                digest.update(file.read(min(_PIECE, end - place)))
        return digest.hexdigest()

    with ThreadPoolExecutor(usable_cores()) as threads:
        return list(threads.map(hash_block, range(0, size, _BLOCK)))
