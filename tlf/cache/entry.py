"""What could be stored, and what is.

Data is read by position into memory of its own rather than mapped: the page cache of the system
does the same work, but the memory of the process does not grow with what it has read, and a file
that somebody cuts short is an error and not the end of the process.
"""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from multiprocessing.context import get_spawning_popen
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from weakref import finalize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
from concurrent.futures import ThreadPoolExecutor

from tlf.runtime.cores import usable_cores


@dataclass(frozen=True)
class Wanted:
    """Something that could be stored: what it is called, and all that it depends on."""

    kind: str
    """``pixels`` or ``activations``."""
    title: str
    """For a person: ``features of 245 images``."""
    depends: Mapping[str, Any]
    """Everything that the bytes depend on, as JSON."""

    @cached_property
    def name(self) -> str:
        """The name of the entry's folder."""
        text = json.dumps({"format": FORMAT, "kind": self.kind, **self.depends}, sort_keys=True)
        return f"{self.kind}-{sha256(text.encode()).hexdigest()[:40]}"


@dataclass(frozen=True)
class Entry:
    """Something stored. Picklable.

    A process that starts another hands it the open file, whether it forks or not; whoever gets an
    entry in another way, such as through a queue, opens the file anew.
    """

    folder: Path
    title: str
    bytes: int
    index: Any
    """What its writer noted about it, as JSON."""
    used: float = field(default=0.0, compare=False)
    """When it was last used, in seconds since 1970."""

    def read(self, start: int, length: int) -> "NDArray[np.uint8]":
        """``length`` bytes from ``start`` on, in memory of their own.

        Raises:
            OSError: the file has been cut short or removed.
        """
        import numpy as np

        buffer = np.empty(length, dtype=np.uint8)
        self._whole(os.preadv(self._opened, [buffer.data], start), length)
        return buffer

    def rows(self, numbers: Sequence[int], length: int) -> "NDArray[np.uint8]":
        """Rows of ``length`` bytes each: (len(numbers), length).

        Raises:
            OSError: the file has been cut short or removed.
        """
        import numpy as np

        buffer = np.empty(len(numbers) * length, dtype=np.uint8)
        view, opened, done = buffer.data, self._opened, 0
        for number in numbers:
            done += os.preadv(opened, [view[done : done + length]], number * length)
        self._whole(done, len(buffer))
        return buffer.reshape(len(numbers), length)

    def _whole(self, done: int, wanted: int) -> None:
        if done != wanted:
            raise OSError(f"{self.folder} was cut short while it was in use")

    def opened(self) -> Self:
        """The same, which can be read from now on, even after it has been removed.

        Raises:
            OSError: its data is gone, or cannot be read.
        """
        _ = self._opened
        return self

    @cached_property
    def _opened(self) -> int:
        """The file stays open, and known to be in use, as long as the entry is known."""
        import fcntl

        handle = self._closed_at_last(os.open(self.folder / "data", os.O_RDONLY))
        with suppress(OSError):  # some network file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_SH)
        return handle

    def _closed_at_last(self, handle: int) -> int:
        finalize(self, os.close, handle)
        return handle

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name != "_opened"}
        if "_opened" in vars(self) and get_spawning_popen() is not None:
            from multiprocessing.reduction import DupFd  # which Windows has not

            state["_opened"] = DupFd(self._opened)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        sent = state.pop("_opened", None)
        vars(self).update(state)
        if sent is not None:
            vars(self)["_opened"] = self._closed_at_last(sent.detach())


def is_in_use(folder: Path) -> bool:
    """Whether any process has the entry in a folder open."""
    import fcntl

    try:
        with (folder / "data").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # it is gone, or cannot be locked
        return False
    return False


def open_entry(folder: Path) -> Entry | None:
    """The entry in a folder, its data neither checked nor opened; None if it has no note that is
    whole.
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
