"""The folder of entries: finding them, making room within its budget, clearing it."""

import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from tlf.cache.entry import (
    Entry,
    EntryKey,
    is_as_noted,
    is_in_use,
    open_entry,
    write_note,
)
from tlf.cache.partial import (
    Partial,
    begin_partial,
    being_written,
    clear_abandoned,
    is_ours,
    one_at_a_time,
    remove,
    size_of,
)
from tlf.runtime.files import cache_path, home_expanded


@dataclass(frozen=True)
class Cache:
    """A folder of entries, which together take at most ``max_bytes``. Partial entries count, too;
    entries that this user cannot see do not.
    """

    folder: Path
    max_bytes: int
    used: set[str] = field(default_factory=set)
    """Names of the entries that this process uses: they are not evicted."""

    def find(self, key: EntryKey, fits: Callable[[Entry], bool] = lambda _: True) -> Entry | None:
        """The entry, opened, if it exists, is undamaged and fits. What else stands in its place is
        removed: an entry that is damaged, or another one under this name.
        """
        folder = self.folder / key.name
        if not folder.is_dir():
            return None
        entry = self._entry(key)
        if entry is None or not fits(entry) or not is_as_noted(folder):
            remove(folder)
            return None
        try:
            entry.opened()  # after the check: another process may write the entry again before it
        except FileNotFoundError:  # another process has just removed it
            return None
        with suppress(OSError):  # entries of others and on read-only disks can still be read
            os.utime(folder)
        self.used.add(key.name)
        return entry

    def open(self, key: EntryKey) -> Entry:
        """Open an entry that another process has just checked or written.

        Raises:
            OSError: it is removed.
        """
        entry = self._entry(key)
        if entry is None:
            raise OSError(f"{self.folder / key.name} is gone")
        entry.opened()
        self.used.add(key.name)
        return entry

    def begin(self, key: EntryKey, size: int) -> Partial:
        """Make room for an entry of ``size`` bytes and begin it.

        Raises:
            OSError: it does not fit, or the folder cannot be written to.
        """
        if size > self._limit(key):
            raise OSError(f"it takes {readable_size(size)} and {_allowed(self._limit(key), key)}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(f"cannot make the folder {self.folder}: {error.strerror}") from error
        with one_at_a_time(self.folder):
            clear_abandoned(self.folder)
            self._make_room(key, size)
            free = shutil.disk_usage(self.folder).free
            if size > free // 2:
                raise OSError(
                    f"it takes {readable_size(size)} and only {readable_size(free)} of the disk "
                    "are free"
                )
            return begin_partial(self.folder, size, key.kind)

    def finish(self, partial: Partial, key: EntryKey, index: object) -> None:
        """Rename a partial entry to its final name. If another process was faster, its entry stays.

        Raises:
            OSError: the disk is full or fails, or a damaged entry of another user is in its place.
        """
        write_note(partial.folder, key.title, key.key, index)
        final = self.folder / key.name
        with one_at_a_time(self.folder):
            published = partial.publish(final)
        if not published and not (self._entry(key) and is_as_noted(final)):
            raise OSError("another user's entry is in its place and is damaged")

    def store(self, key: EntryKey, data: bytes | memoryview) -> None:
        """Store a small entry that is there as a whole.

        Raises:
            OSError: it does not fit, the folder cannot be written to, or the disk is full.
        """
        partial = self.begin(key, len(data))
        try:
            partial.write(0, data)
            partial.close()
            self.finish(partial, key, None)
        except BaseException:
            partial.discard()
            raise

    def _entry(self, key: EntryKey) -> Entry | None:
        """The entry of a key; its data is neither checked nor opened."""
        entry = open_entry(self.folder / key.name)
        return entry if entry is not None and key.describes(entry) else None

    def entries(self) -> tuple[Entry, ...]:
        """All entries, the most recently used first; their data is not checked. Those of another
        version of tlf are among them, and damaged ones: they take space, too.
        """
        return self._each(lambda folder: open_entry(folder) or _unreadable(folder))

    def _each(self, described: Callable[[Path], Entry]) -> tuple[Entry, ...]:
        entries = []
        for folder in self._folders():
            # Another user's, or another process has just removed it.
            with suppress(PermissionError, FileNotFoundError):
                entries.append(described(folder))
        return tuple(sorted(entries, key=lambda entry: -entry.used))

    def clear(self) -> int:
        """Remove all entries of this user, and what killed processes left. Return how many bytes
        that frees.
        """
        sizes = [(folder, size_of(folder)) for folder in self._folders()]
        freed = sum(size for folder, size in sizes if remove(folder))
        if self.folder.is_dir():
            with one_at_a_time(self.folder):
                freed += clear_abandoned(self.folder)
        return freed

    def _folders(self) -> list[Path]:
        paths = self.folder.glob("*-*")
        return [path for path in paths if path.is_dir() and not path.name.startswith(".")]

    def _make_room(self, key: EntryKey, size: int) -> None:
        """Evict least recently used entries until ``size`` bytes fit; none if they cannot fit."""
        # Partial entries count with their final size: processes that write at the same time must
        # fit together. The room is checked again, since another user's entry may not be removed.
        entries = self._each(_weighed)
        written = {kind: being_written(self.folder, kind) for kind in ("", key.kind)}
        gone: set[Path] = set()

        def lack(removed: Collection[Path]) -> str:
            kept = [entry for entry in entries if entry.folder not in removed]
            return self._lack(key, size, kept, written)

        if not lack(gone):
            return
        candidates = entries if key.share == 1 else [e for e in entries if e.kind == key.kind]
        evictable = [e.folder for e in reversed(candidates) if self._is_evictable(e)]
        if problem := lack({*evictable}):
            raise OSError(problem)
        for folder in evictable:
            if remove(folder):
                gone.add(folder)
                if not lack(gone):
                    return
        raise OSError(lack(gone))

    def _is_evictable(self, entry: Entry) -> bool:
        # If it is in use, its space on the disk becomes free only when its last reader ends.
        folder = entry.folder
        return folder.name not in self.used and is_ours(folder) and not is_in_use(folder)

    def _lack(
        self, key: EntryKey, size: int, entries: Sequence[Entry], written: Mapping[str, int]
    ) -> str:
        """Why ``size`` bytes do not fit beside these entries, or beside those of their own kind;
        empty if they do.
        """
        for kind, limit in (("", self.max_bytes), (key.kind, self._limit(key))):
            sizes = {e.folder.name: e.bytes for e in entries if kind in ("", e.kind)}
            ours = sum(number for name, number in sizes.items() if name in self.used)
            others = sum(sizes.values()) - ours + written[kind]
            if ours + others + size > limit:
                by_others = f", others {readable_size(others)}" if others else ""
                return (
                    f"it takes {readable_size(size)}, this run has stored {readable_size(ours)}"
                    f"{by_others}, and {_allowed(limit, key if kind else None)}"
                )
        return ""

    def _limit(self, key: EntryKey) -> int:
        """The most bytes that all entries of this kind may take."""
        return int(self.max_bytes * key.share)


def _unreadable(folder: Path) -> Entry:
    """What stands for an entry that is damaged, or of another version of tlf."""
    title, used = "unreadable: damaged, or of another version of tlf", folder.stat().st_mtime
    return Entry(folder, title, size_of(folder), None, used=used)


def _weighed(folder: Path) -> Entry:
    """An entry as it is weighed against a new one: its note is not read, which would be done for
    all of them whenever one is stored.
    """
    try:
        size = (folder / "data").lstat().st_size
    except FileNotFoundError:
        return _unreadable(folder)
    return Entry(folder, "", size, None, used=folder.stat().st_mtime)


def open_cache(folder: str | None = None, max_gb: float = 20.0) -> Cache:
    """The cache in a folder, to list or clear what runs have stored.

    Parameters:
        folder: the folder; by default tlf's own, in ``$TLF_CACHE`` or ``~/.cache/tlf``.
        max_gb: its largest size, in 10⁹ bytes.
    """
    path = cache_path("chain") if folder is None else home_expanded(folder)
    return Cache(path, int(max_gb * 1e9))


def readable_size(size: int) -> str:
    """Bytes for a person: in MB, or in whole kB below 100 kB.

    >>> readable_size(512_000), readable_size(2_500_000_000)
    ('0.5 MB', '2,500.0 MB')
    >>> readable_size(20_480), readable_size(4), readable_size(0)
    ('21 kB', '1 kB', '0 kB')
    """
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{ceil(size / 1e3)} kB"


def _allowed(limit: int, key: EntryKey | None = None) -> str:
    """What the budget allows: as a whole, or for the kind of a key that has a share of it."""
    of_kind = f" for {key.kind}" if key and key.share < 1 else ""
    return f"cache.max_gb allows {readable_size(limit)}{of_kind}"
