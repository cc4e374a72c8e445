"""Do something with many images, on all cores of this machine.

On few cores by threads: Pillow releases Python's lock while it decodes. On many cores by processes:
threads also wait for each other where memory is allocated and freed.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from tlf.errors import TlfError
from tlf.runtime.ahead import ahead
from tlf.runtime.cores import local_processes

if TYPE_CHECKING:
    from torch.utils.data import Dataset

_CHUNK = 16
"""Images that a thread or process takes at a time, at most: one queue entry per image would take
much memory where a set is large."""

_TURNS = 64
"""How many times a core takes some, where there are so many images for it: in the end all wait for
the one with the most to do, which has two chunks."""

_MANY = 4
"""From so many cores on, processes are faster: on 16 cores of an H200's host, threads decoded 1,250
images a second."""

_WORTH_TORCH = 5_000
"""From so many images on, processes are worth a second in which torch, which starts them, is
imported. Most callers have imported it."""

Result = TypeVar("Result")
Part = list[tuple[int, Result]]


def chunk_of(count: int, cores: int) -> int:
    """How many of so many images one of the cores takes at a time."""
    return max(1, min(_CHUNK, count // (_TURNS * cores)))


def on_all_cores(
    function: Callable[[int], Result], chunks: Sequence[Sequence[int]], cores: int
) -> Iterator[Part[Result]]:
    """Each chunk of indices, in order: index and result of the function.

    Raises:
        TlfError, OSError: the function raised it.
    """
    many = sys.platform == "linux" and cores >= _MANY and len(chunks) >= cores
    imported = "torch" in sys.modules or sum(map(len, chunks)) >= _WORTH_TORCH
    return (_by_processes if many and imported else _by_threads)(function, chunks, cores)


def _by_threads(
    function: Callable[[int], Result], chunks: Sequence[Sequence[int]], cores: int
) -> Iterator[Part[Result]]:
    pool = ThreadPoolExecutor(cores if local_processes() == 1 else 1)
    try:
        begun = (pool.submit(_each, function, indices) for indices in chunks)
        for part in ahead(begun, 4 * cores):  # a million images are not queued at once
            yield part.result()
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupt does not wait for queued images


def _each(function: Callable[[int], Result], indices: Sequence[int]) -> Part[Result]:
    return [(index, function(index)) for index in indices]


def _by_processes(
    function: Callable[[int], Result], chunks: Sequence[Sequence[int]], cores: int
) -> Iterator[Part[Result]]:
    from torch.utils.data import DataLoader

    from tlf.data.loader import any_number_of_workers
    from tlf.data.workers import begin_worker

    with any_number_of_workers():
        # Forked, so that the function needs not be pickled, nor what was decoded before. In the
        # loader's order all processes would do as many chunks as the slowest one.
        loader = DataLoader(
            cast("Dataset[object]", _Each(function)), sampler=[*enumerate(chunks)],
            batch_size=None, num_workers=cores, multiprocessing_context="fork",
            collate_fn=_as_it_is, worker_init_fn=begin_worker, in_order=False,
        )  # fmt: skip
        parts = iter(loader)
    try:
        for part in _in_turn(parts):
            if isinstance(part, Exception):
                raise part
            yield part
    finally:
        del parts  # its processes end now, though an error's traceback holds this frame


@dataclass(frozen=True)
class _Each:
    """The number of a chunk, and its results or the error: the loader would wrap it in another
    one's words.
    """

    function: Callable[[int], object]

    def __getitem__(
        self, numbered: tuple[int, Sequence[int]]
    ) -> tuple[int, Part[object] | Exception]:
        number, chunk = numbered
        try:
            return number, _each(self.function, chunk)
        except (TlfError, OSError) as error:
            return number, error


def _in_turn(numbered: Iterable[tuple[int, Result]]) -> Iterator[Result]:
    """What is numbered from 0 on, in the order of the numbers.

    >>> [*_in_turn([(1, "b"), (0, "a"), (2, "c")])]
    ['a', 'b', 'c']
    """
    early: dict[int, Result] = {}
    turn = 0
    for number, item in numbered:
        early[number] = item
        while turn in early:
            yield early.pop(turn)
            turn += 1


def _as_it_is(part: object) -> object:
    return part
