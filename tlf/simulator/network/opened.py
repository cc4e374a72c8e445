"""A network that settings are applied to: what freezes in it, and how its steps are made."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

from tlf.data.loading import Share
from tlf.errors import TrainingError
from tlf.freezing.freeze import freeze
from tlf.model import Classifier
from tlf.plugins.attribution import blame, blame_packages
from tlf.recipe.schema import Phase
from tlf.runtime.devices import on_threads
from tlf.simulator.network.images import Batches
from tlf.simulator.observe import Tensors, copies, tensors_of
from tlf.simulator.rates import optimizers
from tlf.simulator.settings import FROZEN, TRAINABLE, Settings
from tlf.training.job import Job, kernels_of
from tlf.training.segments.segment import Segment, begin_segment, segment_setup
from tlf.training.signals import parts
from tlf.training.step import Updates


@dataclass(frozen=True)
class Network:
    """A network of its own weights, with what it starts from."""

    job: Job
    phase: Phase
    """The phase of the recipe that settings take the place of, without augmentation."""
    partial: Mapping[str, frozenset[str]]
    """Id of a preset → the parameters that it freezes."""
    batches: Batches
    start: Tensors
    """Copies of its tensors before the first step."""
    threads: int
    """Threads of the CPU that it is computed on."""

    def segment(self, settings: Settings, previous: Segment | None) -> Segment:
        """Freeze the network and build its optimizer, as a run does.

        Parameters:
            settings: what trains, and how.
            previous: the segment whose optimizer's state is carried over.

        Raises:
            TlfError: nothing can train with these settings.
        """
        job = self.job
        try:
            frozen = frozen_by(settings, job.classifier, self.partial)
            setup = segment_setup(job, self._phase(settings), frozen)
        except ValueError as error:
            raise TrainingError(f"the learning rates: {error}") from error
        if not setup.rates:
            raise TrainingError("a stage must train, got all of them frozen; thaw the head")
        setup = replace(setup, image=None)  # the whole network runs in a step: all of it is watched
        with self.computing(), blame(job.plan.plugins.catalogue.offer(setup.optimizer), "build"):
            segment = begin_segment(job.accelerator, job.classifier, setup, previous)
        job.accelerator.free_memory()  # it keeps what it has wrapped, and lanes share it
        return segment

    def updates(self, settings: Settings, segment: Segment) -> Updates:
        """What makes the next step; the network is in the modes for it."""
        _set_modes(segment, settings)
        share = Share([(0, n) for n in range(settings.batch)], settings.batch, last=True)
        pieces = iter([(self.batches.train(settings.batch), share)])
        return Updates(self.job, self._phase(settings), segment, 0, pieces)

    def computing(self) -> AbstractContextManager[None]:
        """Compute with the network."""
        return computing(self.job, self.threads)

    def _phase(self, settings: Settings) -> Phase:
        """The phase with the settings in the place of its own."""
        known = optimizers(self.job.recipe, self.job.plan.plugins.catalogue)
        return replace(
            self.phase, lr=settings.lr, lr_matching=None, layer_decay=settings.layer_decay,
            optimizer=known[settings.optimizer],
        )  # fmt: skip


@contextmanager
def computing(job: Job, threads: int) -> Iterator[None]:
    """Compute on so many threads as a run does: with its kernels, and its errors name plugins."""
    kernels = kernels_of(job.recipe).used_on(job.accelerator.device)
    with on_threads(threads), kernels, blame_packages(job.plan.plugins.packages):
        yield


def frozen_by(
    settings: Settings, classifier: Classifier, partial: Mapping[str, frozenset[str]]
) -> frozenset[str]:
    """Names of the parameters that settings freeze.

    Parameters:
        settings: what a person set.
        classifier: the network.
        partial: id of a preset → the parameters that it freezes.
    """
    names: set[str] = set()
    for stage, own in parts(classifier).items():
        state = settings.stages[stage]
        if state == FROZEN:
            names.update(own)
        elif state != TRAINABLE:
            names.update(partial[state].intersection(own))
    return frozenset(names)


def open_network(
    job: Job, phase: Phase, partial: Mapping[str, frozenset[str]], threads: int
) -> Network:
    """The network of a job, as it is before its first step."""
    still, start = replace(phase, augment=()), copies(tensors_of(job.classifier))
    return Network(job, still, partial, Batches(job), start, threads)


def _set_modes(segment: Segment, settings: Settings) -> None:
    freeze(segment.classifier, segment.frozen)
    if settings.naive:
        segment.classifier.train()
