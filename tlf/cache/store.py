"""The folder of entries: finding them, making room within its budget, clearing it."""

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from tlf.cache.entry import Entry, Wanted, is_as_noted, is_in_use, open_entry, write_note
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
from tlf.runtime.files import cache_folder


@dataclass(frozen=True)
class Cache:
    """A folder of entries, which together take at most ``max_bytes``, what is being written
    included. What somebody else keeps to himself cannot be counted.
    """

    folder: Path
    max_bytes: int
    used: set[str] = field(default_factory=set)
    """Names of the entries that this process uses: they are not removed to make room."""

    def find(self, wanted: Wanted) -> Entry | None:
        """The entry, opened, if it is there and every byte of it is as it was written. A damaged
        one is removed.
        """
        folder = self.folder / wanted.name
        if not folder.is_dir():
            return None
        entry = open_entry(folder)
        if entry is None or not is_as_noted(folder):
            remove(folder)
            return None
        try:
            entry.opened()  # after its bytes were checked: it may have been written anew before
        except FileNotFoundError:  # another process has just removed it
            return None
        with suppress(OSError):  # somebody else's can be read all the same, or what is read-only
            os.utime(folder)
        self.used.add(wanted.name)
        return entry

    def open(self, wanted: Wanted) -> Entry:
        """An entry that another process has just checked or written, opened.

        Raises:
            OSError: it is gone.
        """
        entry = open_entry(self.folder / wanted.name)
        if entry is None:
            raise OSError(f"{self.folder / wanted.name} is gone")
        entry.opened()
        self.used.add(wanted.name)
        return entry

    def begin(self, wanted: Wanted, size: int) -> Partial:
        """Make room for an entry of ``size`` bytes and begin it.

        Raises:
            OSError: it does not fit, or the folder cannot be written to; says why.
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

    def finish(self, partial: Partial, wanted: Wanted, index: object) -> None:
        """Give a partial entry its name. If another process was faster, its entry stays.

        Raises:
            OSError: the disk is full, or broke, or what is there is damaged and somebody else's.
        """
        write_note(partial.folder, wanted.title, wanted.depends, index)
        place = self.folder / wanted.name
        with one_at_a_time(self.folder):
            published = partial.publish(place)
        if not published and not is_as_noted(place):
            raise OSError("what is in its place is damaged")

    def entries(self) -> tuple[Entry, ...]:
        """Everything that is stored and can be read, the latest used first; nothing is checked."""
        found = []
        for folder in self._folders():
            with suppress(PermissionError):  # somebody else's
                found.append(open_entry(folder))
        return tuple(sorted((e for e in found if e), key=lambda entry: -entry.used))

    def clear(self) -> int:
        """Remove everything but what is somebody else's, and what killed processes left; give how
        many bytes that frees.
        """
        sizes = [(folder, size_of(folder)) for folder in self._folders()]
        freed = sum(size for folder, size in sizes if remove(folder))
        if self.folder.is_dir():
            with one_at_a_time(self.folder):
                freed += clear_abandoned(self.folder)
        return freed

    def _folders(self) -> list[Path]:
        found = self.folder.glob("*-*")
        return [f for f in found if f.is_dir() and not f.name.startswith(".")]

    def _make_room(self, size: int) -> None:
        """Remove what was used longest ago, as much as it takes; nothing, if that is not enough."""
        entries = self.entries()
        total = sum(entry.bytes for entry in entries) + being_written(self.folder)
        ours = sum(entry.bytes for entry in entries if entry.folder.name in self.used)
        can_go = [entry for entry in reversed(entries) if self._can_go(entry)]
        self._check_room(size, ours, total - ours - sum(entry.bytes for entry in can_go))
        for entry in can_go:
            if total + size > self.max_bytes and remove(entry.folder):
                total -= entry.bytes
        self._check_room(size, ours, total - ours)

    def _can_go(self, entry: Entry) -> bool:
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
    """The cache in a folder: what runs have computed once, to list or to clear.

    Parameters:
        folder: where it is; tlf's own (``$TLF_CACHE``, or ``~/.cache/tlf``) if None.
        max_gb: how much may be stored, in 10⁹ bytes.

    Raises:
        RunError: tlf's own cannot be made.
    """
    place = cache_folder("chain") if folder is None else Path(folder).expanduser()
    return Cache(place, int(max_gb * 1e9))


def readable_size(size: int) -> str:
    """Bytes for a person: in MB, and in whole kB where a tenth of a MB would be too coarse.

    >>> readable_size(512_000), readable_size(2_500_000_000)
    ('0.5 MB', '2,500.0 MB')
    >>> readable_size(20_480), readable_size(4), readable_size(0)
    ('21 kB', '1 kB', '0 kB')
    """
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{ceil(size / 1e3)} kB"
