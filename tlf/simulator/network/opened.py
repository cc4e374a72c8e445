"""A network that settings are applied to: what freezes in it, and how its steps are made."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tlf.data.loading import Share
from tlf.errors import TrainingError
from tlf.freezing.freeze import freeze
from tlf.model import Classifier, trains_batchnorm
from tlf.plugins.attribution import blame, blame_packages
from tlf.recipe.schema import Phase
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
        job.accelerator.free_memory()
        with self.computing(), blame(job.plan.plugins.catalogue.offer(setup.optimizer), "build"):
            segment = begin_segment(job.accelerator, job.classifier, setup, previous)
        self._check_batch(segment, settings)
        return segment

    def updates(self, settings: Settings, segment: Segment) -> Updates:
        """What makes the next step; the network is in the modes for it."""
        _set_modes(segment, settings)
        share = Share([*range(settings.batch)], settings.batch, last=True)
        pieces = iter([(self.batches.train(settings.batch), share)])
        return Updates(self.job, self._phase(settings), segment, 0, pieces)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Compute as a run does: with its kernels, and with its errors of plugins."""
        job = self.job
        kernels = kernels_of(job.recipe).used_on(job.accelerator.device)
        with blame_packages(job.plan.plugins.packages), kernels:
            yield

    def _phase(self, settings: Settings) -> Phase:
        """The phase with the settings in the place of its own."""
        known = optimizers(self.job.recipe, self.job.plan.plugins.catalogue)
        return replace(
            self.phase, lr=settings.lr, lr_matching=None, layer_decay=settings.layer_decay,
            optimizer=known[settings.optimizer],
        )  # fmt: skip

    def _check_batch(self, segment: Segment, settings: Settings) -> None:
        """Check that a step can be made with the batch, and leave the network in its modes."""
        most = len(self.job.splits.train)
        if not 1 <= settings.batch <= most:
            raise TrainingError(f"batch must be 1 to {most} images, got {settings.batch}")
        _set_modes(segment, settings)
        if settings.batch == 1 and trains_batchnorm(segment.classifier):
            raise TrainingError(
                "batch must be at least 2, as BatchNorm trains, got 1; write 2, or freeze its stage"
            )


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


def open_network(job: Job, phase: Phase, partial: Mapping[str, frozenset[str]]) -> Network:
    """The network of a job, as it is before its first step."""
    still = replace(phase, augment=())
    return Network(job, still, partial, Batches(job, still), copies(tensors_of(job.classifier)))


def _set_modes(segment: Segment, settings: Settings) -> None:
    freeze(segment.classifier, segment.frozen)
    if settings.naive:
        segment.classifier.train()
