"""Decode images while torch is being imported.

Importing torch keeps one core busy for a second or two. On Linux a child of this process, begun
before that, decodes on another core what no run has stored, into memory that both share. It is
ended when its work is asked for; whatever it has not done is done as if it had never been. A
image is known by the hash of its file's bytes, so that what the child saw is never taken for
something else.
"""

import os
import signal
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from math import prod
from mmap import mmap
from typing import TYPE_CHECKING, NoReturn

from tlf.cache.keys import resizing
from tlf.cache.store import Cache
from tlf.components import Split, Splits
from tlf.data.pixel_store import Shape, wanted_pixels
from tlf.data.transforms import load_pixels
from tlf.errors import DataError
from tlf.preprocessing import Preprocessing
from tlf.runtime.cores import usable_cores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ROOM = 128 * 2**20
"""Bytes of pixels that are decoded ahead at most."""

_NOTE = struct.Struct("<QIII32s")
"""What is noted of an image: where its pixels begin, C, H, W, and the hash of its file. The hash
is written last: it is there when everything is."""


@dataclass
class Ahead:
    """Images that another process is decoding."""

    child: int
    """The id of the process."""
    shared: mmap
    """A note for each image, then their pixels."""
    count: int
    """How many images there are."""
    preprocessing: Preprocessing
    waited_for: bool = False
    """Whether the process is gone for good: its id may be somebody else's by now."""

    def stop(self) -> None:
        """End the process, if nobody has."""
        if self.waited_for:
            return
        self.waited_for = True
        # Where whoever started this process ignores the end of children, the system forgets them.
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)


@dataclass(frozen=True)
class Ready:
    """Images that were decoded ahead."""

    places: Mapping[bytes, tuple[int, Shape]]
    """The hash of a file → where its pixels begin, and their shape (C, H, W)."""
    shared: mmap | None = None

    def shape(self, digest: bytes) -> Shape | None:
        """(C, H, W) of an image's pixels, if they are here."""
        return self.places[digest][1] if digest in self.places else None

    def pixels(self, digest: bytes) -> "NDArray[np.uint8] | None":
        """An image's pixels (C, H, W), if they are here."""
        import numpy as np

        if digest not in self.places or self.shared is None:
            return None
        start, shape = self.places[digest]
        return np.frombuffer(self.shared[start : start + prod(shape)], np.uint8).reshape(shape)


def begin(splits: Splits, preprocessing: Preprocessing, cache: Cache) -> Ahead | None:
    """Have images decoded that are not in the cache, where that gains anything."""
    if not _can_fork():
        return None
    count, parent = len(splits.train) + len(splits.eval), os.getpid()
    try:
        shared = mmap(-1, count * _NOTE.size + _ROOM)
        child = os.fork()
    except OSError:  # too little memory or too many processes: it can do without
        return None
    if child == 0:
        _work(splits, preprocessing, cache, shared, parent)
    return Ahead(child, shared, count, preprocessing)


@contextmanager
def decoded_ahead(ahead: Ahead | None, preprocessing: Preprocessing) -> Iterator[Ready]:
    """End the process and use what it has decoded, as long as the context lasts: nothing, if
    images are resized in another way than was expected.
    """
    if ahead is None:
        yield Ready({})
        return
    ahead.stop()
    alike = resizing(preprocessing) == resizing(ahead.preprocessing)
    try:
        yield Ready(dict(_notes(ahead)) if alike else {}, ahead.shared)
    finally:
        ahead.shared.close()


def _notes(ahead: Ahead) -> Iterator[tuple[bytes, tuple[int, Shape]]]:
    for number in range(ahead.count):
        start, *shape, digest = _NOTE.unpack_from(ahead.shared, number * _NOTE.size)
        if any(digest):
            yield digest, (start, (shape[0], shape[1], shape[2]))


def _can_fork() -> bool:
    """Whether a child gains anything, and begins with nothing that threads have left half done."""
    if sys.platform != "linux" or usable_cores() == 1 or "torch" in sys.modules:
        return False
    return len(os.listdir("/proc/self/task")) == 1


def _work(
    splits: Splits, preprocessing: Preprocessing, cache: Cache, shared: mmap, parent: int
) -> NoReturn:
    """What the child does. Whatever it stumbles over, its parent meets again, and tells."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _decode(splits, preprocessing, cache, shared, parent)
    finally:
        os._exit(0)


def _decode(
    splits: Splits, preprocessing: Preprocessing, cache: Cache, shared: mmap, parent: int
) -> None:
    number, start = 0, (len(splits.train) + len(splits.eval)) * _NOTE.size
    for what, split in (("train", splits.train), ("eval", splits.eval)):
        digests = [_digest(data) for data in _files(split, parent)]
        if (cache.folder / wanted_pixels(digests, what, preprocessing).name).is_dir():
            number += len(split)
            continue
        for data, digest in zip(_files(split, parent), digests, strict=True):
            pixels = _pixels(data, preprocessing) if _digest(data) == digest else None
            if pixels is not None:
                if start + pixels.nbytes > len(shared):
                    return
                shared[start : start + pixels.nbytes] = pixels.reshape(-1).data
                _NOTE.pack_into(shared, number * _NOTE.size, start, *pixels.shape, digest)
                start += pixels.nbytes
            number += 1


def _files(split: Split, parent: int) -> Iterator[bytes]:
    """The bytes of every image, none where it cannot be read; for as long as anybody waits."""
    for index in range(len(split)):
        if os.getppid() != parent:
            return
        try:
            yield split.read(index)
        except (DataError, OSError):
            yield b""


def _digest(data: bytes) -> bytes:
    return sha256(data).digest() if data else b""


def _pixels(data: bytes, preprocessing: Preprocessing) -> "NDArray[np.uint8] | None":
    try:
        return load_pixels(data, preprocessing)
    except DataError:
        return None
