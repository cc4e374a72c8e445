"""When the state of a run is stored: every so often, and when somebody asks the run to stop."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import torch
from safetensors import SafetensorError

from tlf.errors import StoppedError
from tlf.results import EpochResult, Notice, Prepared, Updated
from tlf.training.checkpoint.interrupts import watching
from tlf.training.checkpoint.state_file import save, state_file
from tlf.training.job import Job
from tlf.training.state import State
from tlf.training.trainer import Event


class Checkpointer:
    """Stores the state of a run while it trains."""

    def __init__(self, folder: Path, job: Job, state: State) -> None:
        self.folder, self.job, self.state = folder, job, state
        self.every = job.recipe.checkpoint_every
        self.saved_at = time.monotonic()
        self.updates = 0
        self._leaving = ExitStack()

    def __enter__(self) -> "Checkpointer":
        self.interrupted = self._leaving.enter_context(watching())
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.close()

    def after(self, event: Event) -> Iterator[Notice]:
        """Store the state if it is time to, or if the run has to stop.

        Raises:
            StoppedError: somebody asked the run to stop; the state is stored.
        """
        if isinstance(event, Prepared) and self._alone and self.interrupted.by is not None:
            yield from self._save()
            raise StoppedError(self.folder, self.interrupted.by)
        if not isinstance(event, Updated | EpochResult):
            return
        self.updates += isinstance(event, Updated) and not event.evaluating
        due, stop = self._agreed(self._due(), self.interrupted.by is not None)
        if due or stop:
            yield from self._save()
        if stop:
            raise StoppedError(self.folder, self.interrupted.by or "another process")

    @property
    def _alone(self) -> bool:
        """Whether there is no other process, which may be further on with its share."""
        return bool(self.job.accelerator.num_processes == 1)

    def _due(self) -> bool:
        if self.every.updates is not None:
            return self.updates >= self.every.updates
        return time.monotonic() - self.saved_at >= (self.every.seconds or 0.0)

    def _agreed(self, due: bool, stop: bool) -> tuple[bool, bool]:
        """Do what any process wants: each has its own clock, and signals reach them one by one."""
        if self._alone:
            return due, stop
        wanted = torch.tensor([due, stop], dtype=torch.int32, device=self.job.accelerator.device)
        wanted = self.job.accelerator.reduce(wanted, "sum")
        return bool(wanted[0]), bool(wanted[1])

    def _save(self) -> Iterator[Notice]:
        self.saved_at, self.updates = time.monotonic(), 0
        try:
            save(state_file(self.folder), self.job, self.state)
        except (OSError, SafetensorError) as error:
            # The run itself can go on, and the state before this one is still there.
            yield Notice(f"the state of the run could not be stored: {error}")
