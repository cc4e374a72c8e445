"""Decode images in a second process while this one imports torch.

Importing torch keeps one core busy for a second or two. On Linux, a forked child uses another core
to decode the images that are not in the cache, into memory that both processes share. The parent
kills the child when it needs the images; it decodes the rest itself. Images are found by the hash
of their file's bytes: a file that changes meanwhile is decoded anew.
"""

import os
import signal
import struct
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from math import prod
from mmap import mmap
from typing import TYPE_CHECKING, NoReturn

from tlf.cache.keys import resizing
from tlf.cache.store import Cache
from tlf.components import Split, Splits
from tlf.data.pixel_store import FULL, SPLIT_OF, wanted_pixels
from tlf.data.splits import ReadFile
from tlf.data.transforms import full_pixels, load_pixels
from tlf.errors import DataError
from tlf.preprocessing import Preprocessing
from tlf.runtime.cores import usable_cores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MAX_BYTES = 256 * 2**20
"""Bytes of pixels that are decoded ahead at most."""

_RECORD = struct.Struct("<QIII32s")
"""One image: where its pixels begin, their shape, and the hash of its file. The hash is written
last: a record that has one is complete."""


@dataclass
class Ahead:
    """A child process that decodes images, and the memory that it shares with this process."""

    pid: int
    memory: mmap | None
    """A record for each image, then their pixels; None once they are taken."""
    counts: Mapping[str, int]
    """Name of decoded images (see ``tlf.data.pixel_store``) → how many there are."""
    preprocessing: Preprocessing
    """How the child resizes them."""
    stopped: bool = False
    """Whether the child was waited for: from then on another process may have its id."""

    def stop(self) -> None:
        """Kill the child, unless it was done before."""
        if self.stopped:
            return
        self.stopped = True
        # Where the parent's parent ignores SIGCHLD, the kernel forgets a child that has ended.
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)

    def take(
        self, preprocessing: Preprocessing
    ) -> Mapping[str, Mapping[bytes, "NDArray[np.uint8]"]]:
        """Kill the child, and give what it decoded: name → hash of a file → pixels.

        Empty if ``preprocessing`` resizes in another way than the child did, and the second time:
        the memory is freed together with what is given.
        """
        self.stop()
        memory, self.memory = self.memory, None
        if memory is None or resizing(preprocessing) != resizing(self.preprocessing):
            return {}
        return _decoded(memory, self.counts)


@contextmanager
def decode_ahead(
    splits: Splits,
    preprocessing: Preprocessing | None,
    cache: Cache | None,
    used: Collection[str] = ("train", "eval"),
) -> Iterator[Ahead | None]:
    """Decode images that are not in the cache in a child process, for as long as the context lasts.
    Where train images are ``used`` at full resolution and resized, the latter are left out.

    Gives None where nothing is gained: without a cache, on one core, or where it is not known yet
    how images are resized.
    """
    ahead = None
    # A child that reads from an open file moves the parent's position in it: separate files only.
    separate = all(isinstance(split.read, ReadFile) for split in (splits.train, splits.eval))
    if cache and preprocessing and separate:
        names = (FULL if FULL in used else "train", "eval")
        ahead = start(splits, preprocessing, cache, names)
    try:
        yield ahead
    finally:
        if ahead is not None:
            ahead.stop()


def start(
    splits: Splits,
    preprocessing: Preprocessing,
    cache: Cache,
    names: Sequence[str] = ("train", "eval"),
) -> Ahead | None:
    """Fork the child, where forking is safe and gains anything."""
    if not _can_fork():
        return None
    wanted = {name: splits.train if SPLIT_OF[name] == "train" else splits.eval for name in names}
    counts, parent = {name: len(split) for name, split in wanted.items()}, os.getpid()
    try:
        memory = mmap(-1, sum(counts.values()) * _RECORD.size + _MAX_BYTES)
        pid = os.fork()
    except OSError:  # too little memory or too many processes: the parent decodes everything
        return None
    if pid == 0:
        _run_child(wanted, preprocessing, cache, memory, parent)
    return Ahead(pid, memory, counts, preprocessing)


def _decoded(
    memory: mmap, counts: Mapping[str, int]
) -> dict[str, dict[bytes, "NDArray[np.uint8]"]]:
    import numpy as np

    found: dict[str, dict[bytes, NDArray[np.uint8]]] = {name: {} for name in counts}
    names = (name for name, count in counts.items() for _ in range(count))
    for number, name in enumerate(names):
        start, *shape, digest = _RECORD.unpack_from(memory, number * _RECORD.size)
        if any(digest):
            pixels = np.frombuffer(memory, np.uint8, prod(shape), start).reshape(shape)
            found[name][digest] = pixels
    return found


def _can_fork() -> bool:
    """Whether there is a core for a child, and no thread that may hold a lock during the fork."""
    if sys.platform != "linux" or usable_cores() == 1 or "torch" in sys.modules:
        return False
    return len(os.listdir("/proc/self/task")) == 1


def _run_child(
    wanted: Mapping[str, Split],
    preprocessing: Preprocessing,
    cache: Cache,
    memory: mmap,
    parent: int,
) -> NoReturn:
    """Decode, and exit. Errors are dropped: the parent meets and reports them itself."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _decode(wanted, preprocessing, cache, memory, parent)
    finally:
        os._exit(0)


def _decode(
    wanted: Mapping[str, Split],
    preprocessing: Preprocessing,
    cache: Cache,
    memory: mmap,
    parent: int,
) -> None:
    number, start = 0, sum(map(len, wanted.values())) * _RECORD.size
    for name, split in wanted.items():
        digests = [_digest(data) for data in _files(split, parent)]
        if (cache.folder / wanted_pixels(digests, name, preprocessing).name).is_dir():
            number += len(split)
            continue
        for data, digest in zip(_files(split, parent), digests, strict=True):
            pixels = _pixels(data, name, preprocessing) if _digest(data) == digest else None
            if pixels is not None:
                if start + pixels.nbytes > len(memory):
                    return
                memory[start : start + pixels.nbytes] = pixels.reshape(-1).data
                _RECORD.pack_into(memory, number * _RECORD.size, start, *pixels.shape, digest)
                start += pixels.nbytes
            number += 1


def _files(split: Split, parent: int) -> Iterator[bytes]:
    """The bytes of every file, none where it cannot be read; ends when the parent has ended."""
    for index in range(len(split)):
        if os.getppid() != parent:
            return
        try:
            yield split.read(index)
        except (DataError, OSError):
            yield b""


def _digest(data: bytes) -> bytes:
    return sha256(data).digest() if data else b""


def _pixels(data: bytes, name: str, preprocessing: Preprocessing) -> "NDArray[np.uint8] | None":
    try:
        if name == FULL:
            return full_pixels(data, preprocessing.channels, preprocessing.white)
        return load_pixels(data, preprocessing)
    except DataError:
        return None
