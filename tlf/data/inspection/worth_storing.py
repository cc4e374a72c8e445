"""Are pixels worth storing? Only if it is faster to read them than to decode their files again.

A few images are measured before the rest is written. Pixels that take less than half of the free
memory stay in it once they are written, so they are read from there. More are read from the disk.
"""

import time
from collections.abc import Callable, Sequence
from math import ceil
from statistics import median
from typing import TYPE_CHECKING

from accelerate import Accelerator

from tlf.cache.find_or_compute import share
from tlf.cache.partial import Partial
from tlf.errors import DataError
from tlf.runtime.memory import free_memory
from tlf.runtime.processes import gathered

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tlf.data.decoding.arrays import Values

_SAMPLE = 8
"""How many images are measured."""


def check_worth_storing(
    accelerator: Accelerator,
    partial: Partial,
    starts: "NDArray[np.int64]",
    size: int,
    decode: "Callable[[int], Values]",
) -> None:
    """Check that it is faster to read a few images than to decode them. All processes measure.

    Parameters:
        accelerator: the processes of this run.
        partial: the entry that is being written.
        starts: where the bytes of each image begin.
        size: bytes of all images.
        decode: index → pixels.

    Raises:
        OSError: it is not faster, or the disk fails in any process. Raised in every process.
    """
    sample = range(0, len(starts), max(1, ceil(len(starts) / _SAMPLE)))
    mine = [sample[i] for part in share(accelerator, len(sample)) for i in part]
    decoding: list[float] = []
    reading: list[float] = []
    problem = ""
    try:
        lengths, decoding = _decode(mine, partial, starts, decode)
        if size > free_memory() // 2:
            partial.leave_memory()
        reading = [_read(partial, int(starts[index]), length) for index, length in lengths.items()]
    except OSError as error:
        problem = error.strerror or str(error)
    every = gathered((decoding, reading, problem))
    if problems := [problem for *_, problem in every if problem]:
        raise OSError(problems[0])
    # Medians: a thread that another program has interrupted once does not decide.
    decoded = median([seconds for part, _, _ in every for seconds in part] or [0.0])
    read = median([seconds for _, part, _ in every for seconds in part] or [0.0])
    if read > decoded:
        raise OSError(
            f"to read one takes {1000 * read:.2g} ms, to decode it {1000 * decoded:.2g} ms"
        )


def _decode(
    indices: Sequence[int],
    partial: Partial,
    starts: "NDArray[np.int64]",
    decode: "Callable[[int], Values]",
) -> tuple[dict[int, int], list[float]]:
    """Decode and write some images: index → bytes, and the seconds of each decoding."""
    lengths: dict[int, int] = {}
    seconds = []
    for index in indices:
        began = time.perf_counter()
        try:
            pixels = decode(index)
        except (DataError, OSError):  # reported when every image is decoded
            continue
        seconds.append(time.perf_counter() - began)
        partial.write(int(starts[index]), pixels.data)
        lengths[index] = pixels.nbytes
    return lengths, seconds


def _read(partial: Partial, start: int, length: int) -> float:
    """The seconds of reading an image."""
    began = time.perf_counter()
    partial.read(start, length)
    return time.perf_counter() - began
