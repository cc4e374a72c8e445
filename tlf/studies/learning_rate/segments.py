"""What trains in a phase, and which way its learning rate is looked for."""

from collections.abc import Iterator

from tlf.errors import TrainingError
from tlf.plugins.attribution import blame, original
from tlf.recipe.augment import is_random
from tlf.recipe.schema import Phase
from tlf.training.features import train_images
from tlf.training.job import Job
from tlf.training.segments.foreseen import foreseen_segments
from tlf.training.segments.segment import Segment, begin_segment, segment_setup


def segment_of(job: Job, phase: Phase) -> Segment:
    """What trains in a phase: of one that thaws or freezes as it goes, the most of all epochs."""
    try:
        foreseen = foreseen_segments(job.plan, job.classifier, phase)
        every = foreseen.certain.keys() | (foreseen.possible or frozenset())
        frozen = min(every, key=lambda names: (len(names), sorted(names)))
        setup = segment_setup(job, phase, frozen)
    except ValueError as error:
        raise TrainingError(f"phase {phase.name}: {error}") from error
    job.accelerator.free_memory()
    with blame(job.plan.plugins.catalogue.offer(setup.optimizer), "build"):
        return begin_segment(job.accelerator, job.classifier, setup)


def is_measurable(job: Job, phase: Phase, segment: Segment) -> bool:
    """Whether a phase trains the head alone, on features that are the same in every epoch."""
    whole = segment.partition is not None and segment.partition.whole
    return whole and not _is_random(job, phase)


def _is_random(job: Job, phase: Phase) -> bool:
    return is_random(map(original, train_images(job, phase).augmentations))


def why_tested(job: Job, phase: Phase, segment: Segment) -> Iterator[str]:
    """A sentence where a phase trains the head alone, and its rates are not measured."""
    if segment.rates.keys() <= {*job.classifier.head_names} and _is_random(job, phase):
        yield (
            f"{phase.name} trains the head alone, on images that are augmented at random: to "
            "measure its rates on held-out images, leave out the augmentation"
        )
