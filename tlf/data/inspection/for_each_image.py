"""Do something with every image, on all cores of all hosts."""

from collections.abc import Callable, Generator
from typing import TypeVar

from accelerate import Accelerator

from tlf.cache.find_or_compute import share
from tlf.data.inspection.answers import Answers
from tlf.data.inspection.on_all_cores import chunk_of, on_all_cores
from tlf.errors import DataError
from tlf.events import Prepared
from tlf.runtime.cores import local_processes, usable_cores
from tlf.runtime.processes import Machine, by_machine, gathered

Note = TypeVar("Note")


def for_each_image(
    accelerator: Accelerator,
    count: int,
    title: str,
    function: Callable[[int], tuple[bytes, Note | None]],
    width: int = 0,
) -> Generator[Prepared, None, list[Machine[Answers[Note]]]]:
    """The answers of the function, computed by all processes and cores of each machine.

    A process that meets an error still takes part in the exchange: the others would wait for it.

    Parameters:
        accelerator: the processes of this run.
        count: the number of images.
        title: what messages call the work.
        function: index → ``width`` bytes, or none, and a note, if there is one.
        width: how many bytes are answered for an image.

    Raises:
        DataError: the function raised it, in whichever process.
        OSError: the function raised it in this process; the others do not hear of it.
    """
    cores = max(1, usable_cores() // local_processes())
    chunks = share(accelerator, count, chunk_of(count // local_processes(), cores))
    answers: Answers[Note] = Answers(width, bytearray(sum(map(len, chunks)) * width))
    problem: DataError | OSError | None = None
    try:
        for part in on_all_cores(function, chunks, cores):
            for index, (row, note) in part:
                answers.add(index, row, note)
            yield Prepared(title, min(count, len(answers.indices) * local_processes()), count)
    except (DataError, OSError) as error:
        problem = error
    machines = by_machine(answers)
    _raise_together(problem)
    return machines


def _raise_together(problem: DataError | OSError | None) -> None:
    messages = gathered(str(problem) if isinstance(problem, DataError) else "")
    if any(messages):
        raise DataError(next(filter(None, messages))) from problem
    if problem is not None:
        raise problem
