"""A folder of what was computed once: entries that are whole or absent, within a budget of bytes.

An entry is a folder with two files: ``data``, plain bytes, and ``entry.json``, which says what it
holds and what it was computed from. Its name is a hash of the latter. Entries are written beside
their place and renamed, so that kill -9 leaves none half done, and every byte of one is checked
before it is used.

Data is read by position into memory of its own rather than mapped: the page cache of the system
does the same work, but the memory of the process does not grow with what it has read, and a file
that somebody cuts short is an error and not the end of the process.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import finalize

from tlf.cores import usable_cores
from tlf.folders import cache_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMAT = 1
_BLOCK = 16 * 2**20
"""Bytes that are hashed by themselves, so that threads can share the work."""
_PARTIAL = ".partial-"
_GRACE = 60.0
"""Seconds for which an entry without a lock is taken for one that has just been begun."""


@dataclass(frozen=True)
class Wanted:
    """Something that could be stored: what it is called, and all that it depends on."""

    kind: str
    """``pixels`` or ``activations``."""
    title: str
    """For a person: ``features of 245 pictures``."""
    depends: Mapping[str, Any]
    """Everything that the bytes depend on, as JSON."""

    @cached_property
    def name(self) -> str:
        """The name of the entry's folder."""
        text = json.dumps({"format": FORMAT, "kind": self.kind, **self.depends}, sort_keys=True)
        return f"{self.kind}-{sha256(text.encode()).hexdigest()[:40]}"


@dataclass(frozen=True)
class Entry:
    """Something stored. Picklable; every process opens the file for itself."""

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
        self._fill(buffer.data, start)
        return buffer

    def rows(self, numbers: Sequence[int], length: int) -> "NDArray[np.uint8]":
        """Rows of ``length`` bytes each: (len(numbers), length).

        Raises:
            OSError: the file has been cut short or removed.
        """
        import numpy as np

        buffer = np.empty((len(numbers), length), dtype=np.uint8)
        for place, number in enumerate(numbers):
            self._fill(buffer[place].data, number * length)
        return buffer

    def _fill(self, buffer: memoryview, start: int) -> None:
        if os.preadv(self._opened, [buffer], start) != len(buffer):
            raise OSError(f"{self.folder} was cut short while it was in use")

    @cached_property
    def _opened(self) -> int:
        """The file stays open as long as the entry is known: it can be read even if removed."""
        handle = os.open(self.folder / "data", os.O_RDONLY)
        finalize(self, os.close, handle)
        return handle

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_opened"}


@dataclass(frozen=True)
class Cache:
    """A folder of entries, which together take at most ``max_bytes``."""

    folder: Path
    max_bytes: int
    used: set[str] = field(default_factory=set)
    """Names of the entries that this process uses: they are not removed to make room."""

    def find(self, wanted: Wanted) -> Entry | None:
        """The entry, if it is there and every byte of it is as it was written. A damaged one is
        removed.
        """
        folder = self.folder / wanted.name
        if not folder.is_dir():
            return None
        entry = _opened(folder)
        if entry is None or not _whole(entry):
            _remove(folder)
            return None
        with suppress(PermissionError):  # somebody else's cache can be read all the same
            os.utime(folder)
        self.used.add(wanted.name)
        return entry

    def open(self, wanted: Wanted) -> Entry:
        """An entry that another process has just checked or written.

        Raises:
            OSError: it is gone.
        """
        entry = _opened(self.folder / wanted.name)
        if entry is None:
            raise OSError(f"{self.folder / wanted.name} is gone")
        self.used.add(wanted.name)
        return entry

    def begin(self, wanted: Wanted, size: int) -> "Partial":
        """Make room for an entry of ``size`` bytes and begin it.

        Raises:
            OSError: it does not fit, or the folder cannot be written to; says why.
        """
        _clear_abandoned(self.folder)
        if size > self.max_bytes:
            raise OSError(
                f"it takes {megabytes(size)} and cache.max_gb allows {megabytes(self.max_bytes)}"
            )
        self._make_room(size)
        self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        if size > free // 2:
            raise OSError(
                f"it takes {megabytes(size)} and only {megabytes(free)} of the disk are free"
            )
        place = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{os.getpid()}-", dir=self.folder))
        (place / "data").touch()
        return Partial(place, owner=_locked(place))

    def finish(self, partial: "Partial", wanted: Wanted, index: object) -> None:
        """Give a partial entry its name. If another process was faster, its entry stays.

        Raises:
            OSError: the disk is full, or broke.
        """
        data = partial.folder / "data"
        size = data.stat().st_size
        content = {
            "format": FORMAT,
            "title": wanted.title,
            "depends": wanted.depends,
            "bytes": size,
            "blocks": _hashes(data, size),
            "index": index,
        }
        (partial.folder / "entry.json").write_text(_sealed(content), encoding="utf-8")
        (partial.folder / "lock").unlink()
        with suppress(FileExistsError, NotADirectoryError):
            _rename(partial.folder, self.folder / wanted.name)
        partial.discard()

    def entries(self) -> tuple[Entry, ...]:
        """Everything that is stored, the latest used first; nothing is checked."""
        found = (_opened(folder) for folder in _folders(self.folder))
        return tuple(sorted((e for e in found if e), key=lambda entry: -entry.used))

    def clear(self) -> int:
        """Remove everything, and what killed processes left; give how many bytes that frees."""
        freed = sum(_size(folder) for folder in _folders(self.folder))
        for folder in _folders(self.folder):
            _remove(folder)
        return freed + _clear_abandoned(self.folder)

    def _make_room(self, size: int) -> None:
        entries = self.entries()
        total = sum(entry.bytes for entry in entries)
        for entry in reversed(entries):
            if total + size <= self.max_bytes:
                return
            if entry.folder.name not in self.used:
                _remove(entry.folder)
                total -= entry.bytes
        if total + size > self.max_bytes:
            raise OSError(
                f"it takes {megabytes(size)}, this run has stored {megabytes(total)}, and "
                f"cache.max_gb allows {megabytes(self.max_bytes)}"
            )


@dataclass(frozen=True)
class Partial:
    """An entry that is being written, by one process or by several."""

    folder: Path
    owner: Any = None
    """The lock that says that its owner lives; None in the processes that only write."""

    @cached_property
    def _opened(self) -> int:
        return os.open(self.folder / "data", os.O_WRONLY | os.O_CREAT, 0o644)

    def write(self, start: int, data: "memoryview | bytes") -> None:
        """Write bytes at a position.

        Raises:
            OSError: the disk is full, or broke.
        """
        view = memoryview(data).cast("B")
        while view:
            written = os.pwrite(self._opened, view, start)
            view, start = view[written:], start + written

    def close(self) -> None:
        """This process has written its part."""
        if "_opened" in vars(self):
            os.close(vars(self).pop("_opened"))

    def discard(self) -> None:
        """Remove what is left of it."""
        self.close()
        _remove(self.folder)
        if self.owner is not None:
            self.owner.close()


def open_cache(folder: str | None = None, max_gb: float = 20.0) -> Cache:
    """The cache in a folder: what runs have computed once, to list or to clear.

    Parameters:
        folder: where it is; tlf's own (``$TLF_CACHE``, or ``~/.cache/tlf``) if None.
        max_gb: how much may be stored, in 10⁹ bytes.

    Raises:
        RunError: tlf's own cannot be made.
    """
    place = cache_folder("chain") if folder is None else Path(folder).expanduser()
    return Cache(place, int(max_gb * 1e9))


def megabytes(size: int) -> str:
    """Bytes for a person.

    >>> megabytes(512_000), megabytes(2_500_000_000)
    ('0.5 MB', '2,500.0 MB')
    """
    return f"{size / 1e6:,.1f} MB"


# Reading what is there


def _opened(folder: Path) -> Entry | None:
    content = _unsealed(folder / "entry.json")
    if content is None:
        return None
    try:
        used = folder.stat().st_mtime
    except FileNotFoundError:  # another process has just removed it
        return None
    return Entry(folder, content["title"], content["bytes"], content["index"], used)


def _whole(entry: Entry) -> bool:
    content = _unsealed(entry.folder / "entry.json")
    data = entry.folder / "data"
    try:
        size = data.stat().st_size
        return (
            content is not None
            and size == content["bytes"]
            and _hashes(data, size) == content["blocks"]
        )
    except FileNotFoundError:
        return False


def _sealed(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True)
    return f"{text}\n{sha256(text.encode()).hexdigest()}\n"


def _unsealed(path: Path) -> dict[str, Any] | None:
    """What ``_sealed`` wrote, or None where a byte of it is another."""
    try:
        text, _, seal = path.read_text(encoding="utf-8").partition("\n")
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return None
    if sha256(text.encode()).hexdigest() != seal.strip():
        return None
    content: dict[str, Any] = json.loads(text)
    return content


def _hashes(path: Path, size: int) -> list[str]:
    """SHA-256 of every block of a file; hashing lets other threads run."""

    def one(start: int) -> str:
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            return sha256(file.read(min(_BLOCK, size - start))).hexdigest()

    with ThreadPoolExecutor(usable_cores()) as threads:
        return list(threads.map(one, range(0, size, _BLOCK)))


def _folders(root: Path) -> list[Path]:
    return [f for f in root.glob("*-*") if f.is_dir() and not f.name.startswith(".")]


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*"))


# Removing


def _remove(folder: Path) -> None:
    """Take an entry away: by its name first, so that nobody finds half of it."""
    grave = folder.with_name(f"{_PARTIAL}removed-{os.getpid()}-{folder.name}")
    with suppress(FileNotFoundError, FileExistsError):
        folder.rename(grave)
        folder = grave
    shutil.rmtree(folder, ignore_errors=True)


def _clear_abandoned(root: Path) -> int:
    """Remove what processes left behind that were killed; give how many bytes that frees."""
    freed = 0
    for folder in root.glob(f"{_PARTIAL}*"):
        if not _is_locked(folder):
            freed += _size(folder)
            shutil.rmtree(folder, ignore_errors=True)
    return freed


def _locked(folder: Path) -> Any:  # noqa: ANN401 - a file
    """Lock a partial entry for as long as this process lives."""
    import fcntl

    file = (folder / "lock").open("w")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def _is_locked(folder: Path) -> bool:
    import fcntl

    try:
        with (folder / "lock").open("r") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        # It is being removed, or its owner has not come to lock it.
        return folder.is_dir() and time.time() - folder.stat().st_mtime < _GRACE
    return False


def _rename(partial: Path, final: Path) -> None:
    try:
        partial.rename(final)
    except OSError as error:
        # What a folder that is already there gives: ENOTEMPTY or EEXIST, by file system.
        if final.is_dir():
            raise FileExistsError(str(final)) from error
        raise
