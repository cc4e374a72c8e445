"""Do something with every image, on all cores of all hosts.

On few cores by threads: Pillow releases Python's lock while it decodes. On many cores by processes:
threads also wait for each other where memory is allocated and freed.
"""

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from accelerate import Accelerator
from torch.utils.data import DataLoader, Dataset

from tlf.cache.find_or_compute import share
from tlf.data.loader import any_number_of_workers
from tlf.data.workers import begin_worker
from tlf.errors import DataError, TlfError
from tlf.events import Prepared
from tlf.runtime.cores import local_processes, usable_cores
from tlf.runtime.processes import Machine, by_machine, gathered

_CHUNK = 64
"""Images that a thread or process takes at a time, at most: one queue entry per image would take
much memory where a set is large."""

_MANY = 4
"""From so many cores on, processes are faster: on 16 cores of an H200's host, threads decoded 1,250
images a second."""

Result = TypeVar("Result")
Part = list[tuple[int, Result]]


def for_each_image(
    accelerator: Accelerator, count: int, title: str, function: Callable[[int], Result]
) -> Generator[Prepared, None, list[Machine[dict[int, Result]]]]:
    """Index → result of the function, computed by all processes and cores of each machine.

    A process that meets an error still takes part in the exchange: the others would wait for it.

    Raises:
        DataError: the function raised it, in whichever process.
        OSError: the function raised it in this process; the others do not hear of it.
    """
    cores = max(1, usable_cores() // local_processes())
    chunk = max(1, min(_CHUNK, count // (16 * cores)))
    mine = share(accelerator, count, chunk)
    chunks = [mine[start : start + chunk] for start in range(0, len(mine), chunk)]
    results: dict[int, Result] = {}
    problem: DataError | OSError | None = None
    by_processes = sys.platform == "linux" and cores >= _MANY and len(chunks) >= cores
    try:
        for part in (_by_processes if by_processes else _by_threads)(function, chunks, cores):
            results.update(part)
            yield Prepared(title, min(count, len(results) * local_processes()), count)
    except (DataError, OSError) as error:
        problem = error
    machines = by_machine(results)
    _raise_together(problem)
    return machines


def _by_threads(
    function: Callable[[int], Result], chunks: Sequence[Sequence[int]], cores: int
) -> Iterator[Part[Result]]:
    pool = ThreadPoolExecutor(cores if local_processes() == 1 else 1)
    try:
        yield from pool.map(lambda indices: [(i, function(i)) for i in indices], chunks)
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupt does not wait for queued images


def _by_processes(
    function: Callable[[int], Result], chunks: Sequence[Sequence[int]], cores: int
) -> Iterator[Part[Result]]:
    with any_number_of_workers():
        # Forked, so that the function needs not be pickled, nor what was decoded before.
        loader = DataLoader(
            _Each(function), sampler=chunks, batch_size=None, num_workers=cores,
            multiprocessing_context="fork", collate_fn=_as_it_is, worker_init_fn=begin_worker,
        )  # fmt: skip
        parts = iter(loader)
    for part in parts:
        if isinstance(part, Exception):
            raise part
        yield part


@dataclass(frozen=True)
class _Each(Dataset[object]):
    """A chunk → its results, or the error: the loader would wrap it in another one's words."""

    function: Callable[[int], object]

    def __getitem__(self, chunk: Sequence[int]) -> list[tuple[int, object]] | Exception:
        try:
            return [(index, self.function(index)) for index in chunk]
        except (TlfError, OSError) as error:
            return error


def _as_it_is(part: object) -> object:
    return part


def _raise_together(problem: DataError | OSError | None) -> None:
    messages = gathered(str(problem) if isinstance(problem, DataError) else "")
    if any(messages):
        raise DataError(next(filter(None, messages))) from problem
    if problem is not None:
        raise problem
