"""The hooks around a run: plugins hear of its start, and of an error that ends it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from tlf.errors import StoppedError
from tlf.events import Notice
from tlf.training.job import Job

Event = TypeVar("Event")


def with_run_hooks(
    job: Job, folder: Path, events: Iterator[Event], *, resumed: bool
) -> Iterator[Event | Notice]:
    """The events of a run, while plugins hear of its start and of its failure.

    Parameters:
        job: the job.
        folder: the folder of the run.
        events: what trains the run.
        resumed: whether the run continues from an earlier stop.
    """
    if job.accelerator.is_main_process:
        job.hook.tlf_run_started(folder=str(folder), resumed=resumed)
    try:
        yield from events
    except StoppedError:
        raise
    except Exception as error:
        if job.accelerator.is_main_process:
            yield from _report(job, folder, error)
        raise


def _report(job: Job, folder: Path, error: Exception) -> Iterator[Notice]:
    """Call the plugins. What fails in them must not hide the error, so it becomes a notice."""
    try:
        job.hook.tlf_run_failed(folder=str(folder), error=error)
    except Exception as fault:
        yield Notice(str(fault))
