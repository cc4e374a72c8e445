"""Do the same for every image, in all processes and threads."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from accelerate import Accelerator

from tlf.cache.find_or_compute import merged, share
from tlf.errors import DataError
from tlf.results import Prepared
from tlf.runtime.cores import local_processes, usable_cores

_CHUNK = 64
"""Images that a thread takes at a time, at most: one queue entry per image would take much memory
where a set is large."""

Result = TypeVar("Result")


def for_each_image(
    accelerator: Accelerator, count: int, title: str, function: Callable[[int], Result]
) -> Generator[Prepared, None, dict[int, Result]]:
    """Index → result of the function, computed by all processes and threads.

    A process that meets an error still takes part in the exchange: the others would wait for it.

    Raises:
        DataError: the function raised it, in whichever process.
        OSError: the function raised it in this process; the others do not hear of it.
    """
    threads = usable_cores() if local_processes() == 1 else 1
    chunk = max(1, min(_CHUNK, count // (16 * threads)))
    mine = share(accelerator, count, chunk)
    chunks = [mine[start : start + chunk] for start in range(0, len(mine), chunk)]
    results: dict[int, Result] = {}
    problem: DataError | OSError | None = None
    pool = ThreadPoolExecutor(threads)
    try:
        for part in pool.map(lambda indices: [(i, function(i)) for i in indices], chunks):
            results.update(part)
            yield Prepared(title, min(count, len(results) * local_processes()), count)
    except (DataError, OSError) as error:
        problem = error
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupt does not wait for queued images
    everything = merged(accelerator, results)
    _raise_together(accelerator, problem)
    return everything


def _raise_together(accelerator: Accelerator, problem: DataError | OSError | None) -> None:
    mine = {accelerator.process_index: str(problem)} if isinstance(problem, DataError) else {}
    if messages := merged(accelerator, mine):
        raise DataError(messages[min(messages)]) from problem
    if problem is not None:
        raise problem
