"""The folder of entries: finding them, making room within its budget, clearing it."""

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from tlf.cache.entry import Entry, EntryKey, is_as_noted, is_in_use, open_entry, write_note
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
from tlf.runtime.files import cache_folder, home_expanded


@dataclass(frozen=True)
class Cache:
    """A folder of entries, which together take at most ``max_bytes``. Partial entries count, too;
    entries that this user cannot see do not.
    """

    folder: Path
    max_bytes: int
    used: set[str] = field(default_factory=set)
    """Names of the entries that this process uses: they are not evicted."""

    def find(self, key: EntryKey) -> Entry | None:
        """The entry, opened, if it exists and is undamaged. A damaged entry is removed."""
        folder = self.folder / key.name
        if not folder.is_dir():
            return None
        entry = open_entry(folder)
        if entry is None or not is_as_noted(folder):
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
        entry = open_entry(self.folder / key.name)
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
        if size > self.max_bytes:
            raise OSError(
                f"it takes {readable_size(size)} and cache.max_gb allows "
                f"{readable_size(self.max_bytes)}"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(self.folder):
            clear_abandoned(self.folder)
            self._make_room(size)
            free = shutil.disk_usage(self.folder).free
            if size > free // 2:
                raise OSError(
                    f"it takes {readable_size(size)} and only {readable_size(free)} of the disk "
                    "are free"
                )
            return begin_partial(self.folder, size)

    def finish(self, partial: Partial, key: EntryKey, index: object) -> None:
        """Rename a partial entry to its final name. If another process was faster, its entry stays.

        Raises:
            OSError: the disk is full or fails, or a damaged entry of another user is in its place.
        """
        write_note(partial.folder, key.title, key.key, index)
        final = self.folder / key.name
        with one_at_a_time(self.folder):
            published = partial.publish(final)
        if not published and not is_as_noted(final):
            raise OSError("another user's entry is in its place and is damaged")

    def entries(self) -> tuple[Entry, ...]:
        """All readable entries, the most recently used first; their data is not checked."""
        entries = []
        for folder in self._folders():
            with suppress(PermissionError):  # another user's
                entries.append(open_entry(folder))
        return tuple(sorted((e for e in entries if e), key=lambda entry: -entry.used))

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

    def _make_room(self, size: int) -> None:
        """Evict least recently used entries until ``size`` bytes fit; none if they cannot fit."""
        # Partial entries count with their final size: processes that write at the same time must
        # fit together. The room is checked again, since another user's entry may not be removed.
        entries = self.entries()
        total = sum(entry.bytes for entry in entries) + being_written(self.folder)
        ours = sum(entry.bytes for entry in entries if entry.folder.name in self.used)
        evictable = [entry for entry in reversed(entries) if self._is_evictable(entry)]
        self._check_room(size, ours, total - ours - sum(entry.bytes for entry in evictable))
        for entry in evictable:
            if total + size > self.max_bytes and remove(entry.folder):
                total -= entry.bytes
        self._check_room(size, ours, total - ours)

    def _is_evictable(self, entry: Entry) -> bool:
        # If it is in use, its space on the disk becomes free only when its last reader ends.
        folder = entry.folder
        return folder.name not in self.used and is_ours(folder) and not is_in_use(folder)

    def _check_room(self, size: int, ours: int, others: int) -> None:
        if ours + others + size > self.max_bytes:
            by_others = f", others {readable_size(others)}" if others else ""
            raise OSError(
                f"it takes {readable_size(size)}, this run has stored {readable_size(ours)}"
                f"{by_others}, and cache.max_gb allows {readable_size(self.max_bytes)}"
            )


def open_cache(folder: str | None = None, max_gb: float = 20.0) -> Cache:
    """The cache in a folder, to list or clear what runs have stored.

    Parameters:
        folder: the folder; by default tlf's own, in ``$TLF_CACHE`` or ``~/.cache/tlf``.
        max_gb: its largest size, in 10⁹ bytes.

    Raises:
        RunError: tlf's own folder cannot be made.
    """
    path = cache_folder("chain") if folder is None else home_expanded(folder)
    return Cache(path, int(max_gb * 1e9))


def readable_size(size: int) -> str:
    """Bytes for a person: in MB, or in whole kB below 100 kB.

    >>> readable_size(512_000), readable_size(2_500_000_000)
    ('0.5 MB', '2,500.0 MB')
    >>> readable_size(20_480), readable_size(4), readable_size(0)
    ('21 kB', '1 kB', '0 kB')
    """
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{ceil(size / 1e3)} kB"
