"""What earlier runs have found out about files, as the cache has it: a row for each file, sorted by
what the file system said of it. No torch is needed to look one up.
"""

import os
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from struct import Struct

from tlf.cache.entry import Entry, EntryKey
from tlf.cache.keys import engine
from tlf.cache.store import Cache
from tlf.components import Split, Splits, Stamp
from tlf.data.decoding.libraries import decoders
from tlf.data.inspection.readable import ask, whole
from tlf.data.splits import ReadFile
from tlf.preprocessing import Preprocessing

_STAMP = Struct("<3q2Q")
STAMP = _STAMP.size
"""Bytes of a stamp."""

WIDTHS = {"digests": 32, "opened": 32, "seen": 48}
"""What is remembered → its bytes for each file."""


@dataclass(frozen=True)
class KnownRows:
    """Rows of a stamp and of what is known of the file, sorted."""

    width: int
    """Bytes that are known of a file."""
    rows: memoryview

    @property
    def row(self) -> int:
        """Bytes of a row."""
        return STAMP + self.width

    def find(self, stamp: bytes) -> bytes | None:
        """What is known of the file that had this stamp."""
        every = range(0, len(self.rows), self.row)
        place = bisect_left(every, stamp, key=lambda at: self.rows[at : at + STAMP].tobytes())
        row = self.rows[place * self.row : (place + 1) * self.row].tobytes()
        return row[STAMP:] if row.startswith(stamp) else None

    def digest(self, read: Callable[[int], bytes], index: int) -> bytes | None:
        """The SHA-256 of an image, if it is known without reading. The rows are of digests."""
        known: bytes | None = ask(read, "digest", index)
        return self.find(stamp_of(read, index)[0]) if known is None else known


def stored_rows(entry: Entry | None, what: str) -> KnownRows:
    """The rows of an entry; none where there is no entry."""
    rows = memoryview(b"") if entry is None else entry.read(0, entry.bytes).data
    return KnownRows(WIDTHS[what], rows)


def known_digests(cache: Cache, splits: Splits) -> KnownRows:
    """The digests that earlier runs have remembered of the files of a dataset.

    Raises:
        OSError: the entry cannot be read.
    """
    key = key_of(splits, "digests", None)
    return stored_rows(cache.find(key, lambda entry: are_rows(entry, "digests")), "digests")


def are_rows(entry: Entry, what: str) -> bool:
    """Whether an entry can hold such rows."""
    return entry.bytes % (STAMP + WIDTHS[what]) == 0


def stamp_of(read: Callable[[int], bytes], index: int) -> tuple[bytes, int | None]:
    """The stamp of an image, and when its file has changed (nanoseconds). Zeros and None where it
    is not known.
    """
    seen: Stamp | None = ask(read, "stamp", index)
    if seen is not None:
        return _STAMP.pack(*seen), seen[2]
    digest: bytes | None = ask(read, "digest", index)
    return (bytes(STAMP), None) if digest is None else (digest.rjust(STAMP, b"\xff"), 0)


def key_of(splits: Splits, what: str, how: Preprocessing | None) -> EntryKey:
    """Where it is stored what is known of the files of a dataset.

    Parameters:
        splits: the images. Those of a test split are not among them: no run reads them.
        what: one of ``WIDTHS``.
        how: how images are prepared: what is seen in a file depends on it, but for ``digests``.
    """
    both = (splits.train, splits.eval)
    depends: dict[str, object] = {
        "of": [_place(whole(split)) for split in both],
        "what": what,
        "tlf": engine(),
        "decoders": decoders(),
    }
    if how is not None and what != "digests":
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
