"""``data.verify``: whether every image is read and hashed, or those alone whose files changed."""

from collections.abc import Generator
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from tlf.components import Split, Splits
from tlf.data.inspection.readable import Verify, ask
from tlf.events import Prepared
from tlf.runtime.processes import gathered

Mode = Literal["content", "stat"]
"""How images are verified, once it is known how many bytes they have."""

MOST_READ = 2 * 10**9
"""Bytes of all images up to which ``auto`` reads every one."""

_STEP = 20_000
"""Images between two events."""


@dataclass(frozen=True)
class Stamps:
    """What the file system says of all images."""

    digest: str | None
    """A hash of their stamps; None where an image is no file of its own, or is gone."""
    bytes: int | None
    """How many they have together; None where that is not known of all images."""


def stamped(splits: Splits) -> Generator[Prepared, None, Stamps]:
    """Look at the file of every image. None is read."""
    total, size, whole, known = sha256(), 0, True, True
    count, done = len(splits.train) + len(splits.eval), 0
    for split in (splits.train, splits.eval):
        for index in range(len(split)):
            stamp, length = _seen(split, index)
            total.update(repr(stamp).encode())
            whole, known = whole and stamp is not None, known and length is not None
            size += length or 0
            done += 1
            if done % _STEP == 0:
                yield Prepared("looking at files", done, count)
            if not (whole or known):
                return Stamps(None, None)
    return Stamps(total.hexdigest() if whole else None, size if known else None)


def mode_of(verify: Verify, stamps: Stamps, *, stored: bool) -> Mode:
    """How images are verified. All processes have to call this.

    Parameters:
        verify: what the recipe says.
        stamps: what the file system says.
        stored: whether there is a cache, in which files are remembered.
    """
    large = (gathered(stamps.bytes)[0] or 0) > MOST_READ
    return "stat" if stored and (verify == "stat" or (verify == "auto" and large)) else "content"


def verified_note(verify: Verify, mode: Mode, unread: int, images: int) -> str | None:
    """What a run says about images that it did not read; None where it has read all, as asked."""
    if mode == "stat":
        why = "" if verify == "stat" else f", as the images take more than {MOST_READ // 10**9} GB"
        known = (
            f"{unread:,} of {images:,} images were not read, as their files, or the shards that "
            "hold them, have the size, the times and the inode (or the server's version) that an "
            "earlier run saw"
            if unread
            else "all images were read; a later run reads those alone whose files or shards change"
        )
        return f'data.verify = "stat"{why}: {known}'
    if verify == "stat":
        return 'data.verify = "stat" remembers files in the cache, which is off: all were read'
    return None


def _seen(split: Split, index: int) -> tuple[object, int | None]:
    """The stamp of an image, if it is a file of its own, and how many bytes it has."""
    try:
        stamp = ask(split.read, "stamp", index)
    except OSError:  # it is reported where it is read
        return None, 0
    if stamp is not None:
        return stamp, stamp[0]
    return None, ask(split.read, "size", index)
