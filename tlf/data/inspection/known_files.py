"""What earlier runs have found out about files, by what the file system said of each: its size, its
times, its inode and its device. A file of which it says the same is not read again.

A row is written for what was seen before the file was read. A change of its content changes the
time of its last change, which no user can set; only a change in the same tick of the clock keeps
it. So a file that had changed shortly before it was looked at is not remembered.
"""

import os
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from struct import Struct
from typing import TYPE_CHECKING, Any

from accelerate import Accelerator

from tlf.cache.entry import EntryKey
from tlf.cache.find_or_compute import find
from tlf.cache.keys import engine
from tlf.cache.partial import remove
from tlf.cache.store import Cache
from tlf.components import Split, Splits, Stamp
from tlf.data.decoding.libraries import decoders
from tlf.data.inspection.answers import Answers, in_order
from tlf.data.inspection.readable import ask, whole
from tlf.data.splits import ReadFile
from tlf.events import Notice
from tlf.preprocessing import Preprocessing
from tlf.runtime.processes import Machine, gathered

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_STAMP = Struct("<3q2Q")
STAMP = _STAMP.size
"""Bytes of a stamp."""

_SETTLED = 3 * 10**9
"""Nanoseconds that a file has not been changed for where it is remembered. File systems count time
in ticks of up to 2 seconds."""

Finding = Callable[[bytes], bytes]
"""The bytes of an image → what is found out of them."""

WIDTHS = {"digests": 32, "opened": 32, "seen": 48}
"""What is remembered → its bytes for each file."""


@dataclass
class KnownFiles:
    """What was found out about files, by their stamps."""

    cache: Cache
    key: EntryKey
    width: int
    """Bytes that are known of a file."""
    of_digests: bool
    """Whether digests are what is known: an archive's index may hold them."""
    stores: bool
    """Whether this process stores what is found out: one of each machine does."""
    rows: memoryview
    """A stamp and what is known each, sorted."""
    since: int
    """When the first file was looked at."""
    answers: "list[NDArray[np.uint8]]" = field(default_factory=list)
    """What was found out since: what ``answer`` gives for each image."""

    unread: int = 0
    """How many images were known, of those that are stored."""

    @property
    def answered(self) -> int:
        """Bytes of an answer."""
        return STAMP + self.width + 1

    def answer(self, read: Callable[[int], bytes], index: int, find_out: Finding) -> bytes:
        """The stamp of an image, zeros where it must not be remembered; what is known of it, or is
        found out of its bytes; and whether it was read.

        Raises:
            DataError, OSError: it cannot be read.
        """
        digest: bytes | None = ask(read, "digest", index) if self.of_digests else None
        if digest is not None:
            return bytes(STAMP) + digest + b"\0"
        stamp, settled = self._stamp(read, index)
        known = self._find(stamp)
        if known is not None:
            return stamp + known + b"\0"
        found = find_out(read(index)).ljust(self.width, b"\0")
        whole = settled and len(found) == self.width
        return (stamp if whole else bytes(STAMP)) + found[: self.width] + b"\1"

    def _stamp(self, read: Callable[[int], bytes], index: int) -> tuple[bytes, bool]:
        """The stamp of an image, and whether it had not changed for a while."""
        seen: Stamp | None = ask(read, "stamp", index)
        if seen is not None:
            _, _, changed, _, _ = seen
            return _STAMP.pack(*seen), changed < self.since - _SETTLED
        digest: bytes | None = ask(read, "digest", index)
        if digest is None:
            return bytes(STAMP), False
        return digest.rjust(STAMP, b"\xff"), True

    def _find(self, stamp: bytes) -> bytes | None:
        rows, width = self.rows, self._row
        every = range(0, len(rows), width)
        place = bisect_left(every, stamp, key=lambda at: rows[at : at + STAMP].tobytes()) * width
        row = rows[place : place + width].tobytes()
        return row[STAMP:] if row.startswith(stamp) else None

    def keep(
        self, machines: Sequence[Machine[Answers[Any]]], accelerator: Accelerator, count: int
    ) -> None:
        """Keep what was answered about the images of a split on this machine, to be stored."""
        for machine in machines:
            if accelerator.process_index in machine.answers:
                rows, _ = in_order(machine.answers.values(), count, self.answered)
                self.answers.append(rows)

    def store(self) -> Iterator[Notice]:
        """Remember what was found out since it was opened, where this is new."""
        import numpy as np

        read = sum(int(each[:, -1].sum()) for each in self.answers)
        self.unread = sum(map(len, self.answers)) - read
        if not (read and self.stores):
            self.answers.clear()
            return
        new = np.concatenate([each[:, :-1] for each in self.answers])
        self.answers.clear()
        new = _sorted(new)
        old = np.frombuffer(self.rows, np.uint8).reshape(-1, self._row)
        others = _of_other_files(old, new)
        self.rows = memoryview(b"")
        kept = _sorted(np.concatenate([new, others])) if len(others) else new
        try:
            remove(self.cache.folder / self.key.name)
            self.cache.store(self.key, kept.reshape(-1).data)
        except OSError as error:
            yield Notice(f"{self.key.title}: not stored, {error.strerror or error}")

    @property
    def _row(self) -> int:
        return STAMP + self.width


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
    key, width = _key(splits, what, how), WIDTHS[what]
    was_there = (cache.folder / key.name).is_dir()
    entry = find(accelerator, cache, key, lambda found: found.bytes % (STAMP + width) == 0)
    notes = []
    if entry is None and any(gathered(was_there)):
        notes.append(Notice(f"{key.title}: damaged; every file is read, and remembered anew"))
    return KnownFiles(
        cache=cache,
        key=key,
        width=width,
        of_digests=what == "digests",
        stores=bool(accelerator.is_local_main_process),
        rows=memoryview(b"") if entry is None else entry.read(0, entry.bytes).data,
        since=time.time_ns(),
    ), notes


def forget(cache: Cache, splits: Splits, how: Preprocessing) -> None:
    """Forget what is known of the files of a dataset: they are read without it."""
    for what in WIDTHS:
        with suppress(OSError):  # another user's, which a run of this user may read
            remove(cache.folder / _key(splits, what, how).name)


def _key(splits: Splits, what: str, how: Preprocessing) -> EntryKey:
    both = (splits.train, splits.eval)
    depends: dict[str, object] = {
        "of": [_place(whole(split)) for split in both],
        "what": what,
        "tlf": engine(),
        "decoders": decoders(),
    }
    if what != "digests":
        depends["decoding"] = [how.channels, how.depth, how.decoder, how.reduced]
    return EntryKey("files", f"what is known of files ({what})", depends)


def _place(split: Split) -> str:
    """Where images are read from: their folder, or a hash of their names."""
    if isinstance(split.read, ReadFile):
        return os.path.abspath(split.read.root)
    total = sha256()
    for name in split.names:
        total.update(f"{name}\n".encode(errors="surrogatepass"))
    return total.hexdigest()


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


def _of_other_files(old: "NDArray[np.uint8]", new: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """The old rows of files that this run has not looked at, such as the other images of a folder.
    More of them than new ones are of files that are gone, or of no use: they are dropped.
    """
    import numpy as np

    def files(rows: "NDArray[np.uint8]") -> "NDArray[np.bytes_]":
        """Inode and device of each."""
        return np.ascontiguousarray(rows[:, 24:STAMP]).view("S16")[:, 0]

    others = old[~np.isin(files(old), files(new))]
    return others if len(others) <= len(new) else others[:0]
