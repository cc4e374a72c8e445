"""What earlier runs have found out about files, by what the file system said of each: its size, its
times, its inode and its device. A file of which it says the same is not read again.

A row is written for what was seen before the file was read. A change of its content changes the
time of its last change, which no user can set; only a change in the same tick of the clock keeps
it. So a file that had changed shortly before it was looked at is not remembered.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from accelerate import Accelerator

from tlf.cache.entry import EntryKey
from tlf.cache.find_or_compute import find
from tlf.cache.partial import remove
from tlf.cache.store import Cache
from tlf.components import Splits
from tlf.data.inspection.answers import Answers, in_order
from tlf.data.inspection.known_rows import (
    STAMP,
    WIDTHS,
    KnownRows,
    are_rows,
    key_of,
    stamp_of,
    stored_rows,
)
from tlf.data.inspection.readable import ask
from tlf.events import Notice
from tlf.preprocessing import Preprocessing
from tlf.runtime.processes import Machine, gathered

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SETTLED = 3 * 10**9
"""Nanoseconds that a file has not been changed for where it is remembered. File systems count time
in ticks of up to 2 seconds."""

Finding = Callable[[bytes], bytes]
"""The bytes of an image → what is found out of them."""


@dataclass
class KnownFiles:
    """What was found out about files, by their stamps."""

    cache: Cache
    key: EntryKey
    known: KnownRows
    of_digests: bool
    """Whether digests are what is known: an archive's index may hold them."""
    stores: bool
    """Whether this process stores what is found out: one of each machine does."""
    since: int
    """When the first file was looked at."""
    answers: "list[NDArray[np.uint8]]" = field(default_factory=list)
    """What was found out since: what ``answer`` gives for each image, of splits of which something
    was read."""
    unchanged: int = 0
    """How many images the other splits have: their rows are those that are known."""
    unread: int = 0
    """How many images were known."""

    @property
    def answered(self) -> int:
        """Bytes of an answer."""
        return self.known.row + 1

    def answer(self, read: Callable[[int], bytes], index: int, find_out: Finding) -> bytes:
        """The stamp of an image, zeros where it must not be remembered; what is known of it, or is
        found out of its bytes; and whether it was read.

        Raises:
            DataError, OSError: it cannot be read.
        """
        digest: bytes | None = ask(read, "digest", index) if self.of_digests else None
        if digest is not None:
            return bytes(STAMP) + digest + b"\0"
        stamp, changed = stamp_of(read, index)
        known, width = self.known.find(stamp), self.known.width
        if known is not None:
            return stamp + known + b"\0"
        found = find_out(read(index)).ljust(width, b"\0")
        settled = changed is not None and changed < self.since - _SETTLED
        whole = settled and len(found) == width
        return (stamp if whole else bytes(STAMP)) + found[:width] + b"\1"

    def keep(
        self, machines: Sequence[Machine[Answers[Any]]], accelerator: Accelerator, count: int
    ) -> None:
        """Keep what was answered about the images of a split on this machine, to be stored."""
        for machine in machines:
            if accelerator.process_index in machine.answers:
                rows, _ = in_order(machine.answers.values(), count, self.answered)
                read = rows[:, -1] == 1
                self.unread += int((rows.any(axis=1) & ~read).sum())
                if read.any():
                    self.answers.append(rows)
                else:
                    self.unchanged += count

    def store(self) -> Iterator[Notice]:
        """Remember what was found out since it was opened, where this is new."""
        import numpy as np

        if not (self.answers and self.stores):
            self.answers.clear()
            return
        new = np.concatenate([each[:, :-1] for each in self.answers])
        self.answers.clear()
        new = _sorted(new)
        old = np.frombuffer(self.known.rows, np.uint8).reshape(-1, self.known.row)
        others = _of_other_files(old, new, self.unchanged)
        self.known = KnownRows(self.known.width, memoryview(b""))
        kept = _sorted(np.concatenate([new, others])) if len(others) else new
        try:
            remove(self.cache.folder / self.key.name)
            self.cache.store(self.key, kept.reshape(-1).data)
        except OSError as error:
            yield Notice(f"{self.key.title}: not stored, {error.strerror or error}")


def open_known(
    accelerator: Accelerator, cache: Cache, splits: Splits, what: str, how: Preprocessing
) -> tuple[KnownFiles, list[Notice]]:
    """What is known of the files of a dataset. All processes have to call this.

    Parameters:
        accelerator: the processes of this run.
        cache: where it is stored.
        splits: the images.
        what: one of ``WIDTHS``.
        how: how images are prepared: what is seen in a file depends on it.
    """
    key = key_of(splits, what, how)
    was_there = (cache.folder / key.name).is_dir()
    entry = find(accelerator, cache, key, lambda found: are_rows(found, what))
    notes = []
    if entry is None and any(gathered(was_there)):
        notes.append(Notice(f"{key.title}: damaged; every file is read, and remembered anew"))
    return KnownFiles(
        cache=cache,
        key=key,
        known=stored_rows(entry, what),
        of_digests=what == "digests",
        stores=bool(accelerator.is_local_main_process),
        since=time.time_ns(),
    ), notes


def forget(cache: Cache, splits: Splits, how: Preprocessing) -> None:
    """Forget what is known of the files of a dataset: they are read without it."""
    for what in WIDTHS:
        with suppress(OSError):  # another user's, which a run of this user may read
            remove(cache.folder / key_of(splits, what, how).name)


def _sorted(rows: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Each row once, in the order of their bytes; without those that have no stamp. Sorted in
    place: a million of them take 72 MB.
    """
    import numpy as np

    whole = rows.view(f"S{rows.shape[1]}")[:, 0]
    whole.sort()
    kept = np.ones(len(rows), np.bool_)
    kept[1:] = whole[1:] != whole[:-1]
    kept &= rows[:, :STAMP].any(axis=1)
    return rows if kept.all() else rows[kept]


def _of_other_files(
    old: "NDArray[np.uint8]", new: "NDArray[np.uint8]", unchanged: int
) -> "NDArray[np.uint8]":
    """The old rows of other files: of those that have not changed, so many of which were looked at;
    and of files that this run has not looked at, such as the other images of a folder. More of the
    latter than were looked at are of files that are gone, or of no use: they are dropped.
    """
    import numpy as np

    def files(rows: "NDArray[np.uint8]") -> "NDArray[np.bytes_]":
        """Inode and device of each."""
        return np.ascontiguousarray(rows[:, 24:STAMP]).view("S16")[:, 0]

    others = old[~np.isin(files(old), files(new))]
    return others if len(others) <= len(new) + 2 * unchanged else others[:0]
