"""A lane of the page: a network and its settings, one step after the other.

Steps are made by the same code as in a run: ``segment_setup``, ``begin_segment``, ``freeze`` and
``Updates``. What is shown is what happened.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tlf.errors import NotFiniteError
from tlf.recipe.schema import Phase
from tlf.simulator.network.filters import filters_of
from tlf.simulator.network.finite import only_finite
from tlf.simulator.network.images import measured
from tlf.simulator.network.opened import Network, open_network
from tlf.simulator.network.stages import stage_records
from tlf.simulator.observe import Tensors, Watched, copies, tensors_of, watched_step, write_back
from tlf.simulator.records import StepRecord
from tlf.simulator.settings import Settings
from tlf.training.job import Job
from tlf.training.segments.segment import Segment

OpenJob = Callable[[str, int], Job]
"""Weights and seed → a job of its own, with the images of the page."""


class Lane:
    """A network, its settings and its steps. A change that fails leaves the lane as it is."""

    network: Network
    settings: Settings
    step: int
    """How many steps are made."""
    broken: str | None
    """Why no further step can be made until ``start``."""
    _segment: Segment
    _stepped: tuple[Settings, Segment] | None
    """What the last step was made with."""
    _scale: dict[str, Any]

    def __init__(
        self,
        open_job: OpenJob,
        phase: Phase,
        settings: Settings,
        partial: Mapping[str, frozenset[str]],
        threads: int,
    ) -> None:
        """Open the network.

        Parameters:
            open_job: builds the network of these weights and this seed.
            phase: the phase of the recipe that settings take the place of.
            settings: what to begin with.
            partial: id of a preset → the parameters that it freezes.
            threads: threads of the CPU that its steps are computed on.

        Raises:
            TlfError: nothing can train with these settings.
        """
        self._open_job, self._phase, self._partial = open_job, phase, partial
        self._threads = threads
        self._open(settings)

    def start(self) -> StepRecord:
        """Begin anew: the network before the first step of its settings."""
        if self._stepped is not None:
            write_back(tensors_of(self.network.job.classifier), self.network.start)
            self._begin(self.settings, self.network.segment(self.settings, None))
        return self._recorded()

    def change(self, settings: Settings) -> StepRecord | None:
        """Use other settings from the next step on.

        Returns:
            The network before its first step, where the settings begin anew; otherwise None.

        Raises:
            TlfError: nothing can train with these settings. The lane keeps those that it has.
        """
        old = self.settings
        if (old.weights, old.seed) != (settings.weights, settings.seed):
            self._open(settings)
            return self.start()
        self._segment = self.network.segment(settings, self._carried(settings))
        self.settings = settings
        return None

    def make_step(self) -> StepRecord:
        """Make a step: forward, backward and update.

        Raises:
            NotFiniteError: the step before was not finite, or failed; ``start`` begins anew.
        """
        if self.broken:
            raise NotFiniteError(f"{self.broken}; reset the network, and lower its learning rates")
        network, settings, segment = self.network, self.settings, self._segment
        self._stepped = settings, segment
        self.broken = f"Step {self.step + 1} has failed"  # unless it ends
        before = copies(tensors_of(segment.classifier))
        with network.computing(), self._own_scale():
            updates = network.updates(settings, segment)
            watched = watched_step(updates, self.step, settings.batch)
        self.step += 1
        return self._recorded(watched, before)

    def _open(self, settings: Settings) -> None:
        job = self._open_job(settings.weights, settings.seed)
        network = open_network(job, self._phase, self._partial, self._threads)
        segment = network.segment(settings, None)
        self.network = network
        self._begin(settings, segment)

    def _begin(self, settings: Settings, segment: Segment) -> None:
        self.settings, self._segment = settings, segment
        self.step = 0
        self.broken = self._stepped = None
        self._scale = {}

    def _carried(self, settings: Settings) -> Segment | None:
        """The segment whose optimizer's state is carried over: that of the last step. So settings
        that were changed and changed back between two steps change nothing.
        """
        if self._stepped is None or self._stepped[0].optimizer != settings.optimizer:
            return None
        return self._stepped[1]

    @contextmanager
    def _own_scale(self) -> Iterator[None]:
        """Step with the lane's own scale of fp16; lanes share what holds it."""
        scaler = self.network.job.accelerator.scaler
        if scaler is None:
            yield
            return
        shared = scaler.state_dict()
        scaler.load_state_dict(self._scale or shared)
        try:
            yield
            self._scale = scaler.state_dict()
        finally:
            scaler.load_state_dict(shared)

    def _recorded(
        self, watched: Watched | None = None, before: Tensors | None = None
    ) -> StepRecord:
        """The record of a step that was watched, or of the network before the first one."""
        network, segment, settings = self.network, self._segment, self.settings
        with network.computing():
            record = StepRecord(
                step=self.step,
                settings=settings,
                loss=watched.loss if watched else None,
                correct=watched.correct if watched else None,
                seconds=watched.seconds if watched else None,
                stages=stage_records(segment, watched, before or network.start, network.start),
                train=measured(network.job, segment, network.batches.train(settings.batch)),
                eval=measured(network.job, segment, network.batches.eval),
                filters=filters_of(segment.classifier, before, network.start),
                skipped=bool(watched and watched.skipped),
            )
        record = only_finite(record)
        self.broken = record.broken
        return record
