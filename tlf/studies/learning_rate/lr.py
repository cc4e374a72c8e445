"""Which learning rate? Heads are measured on images that they have not seen; phases that train
more are tried out by a range test.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from torch import Tensor

from tlf.checks.probe import FOLDS
from tlf.data.workers import lost_processes_named
from tlf.errors import RunError
from tlf.events import Notice, Prepared, Stored
from tlf.model import restore_tensors
from tlf.plugins.attribution import blame_packages
from tlf.recipe.augment import used_pixels
from tlf.recipe.plan import Plan, RecipeLike, find_splits, plan_of
from tlf.recipe.schema import Phase
from tlf.runtime.cores import check_alone
from tlf.runtime.devices import describe, start_accelerator
from tlf.studies.judged import Judged, judged_split, seen_before
from tlf.studies.learning_rate.deals import MANY, SEEDS
from tlf.studies.learning_rate.found import HeadRates, LearningRates, RangeTest
from tlf.studies.learning_rate.grid import Limits, chosen_phases, grid, limits
from tlf.studies.learning_rate.heads import heads_after, measure_heads, open_heads
from tlf.studies.learning_rate.one_by_one import train_head
from tlf.studies.learning_rate.optimizers import check_uses_rate
from tlf.studies.learning_rate.range_test import LIMITS, range_test
from tlf.studies.learning_rate.segments import is_measurable, segment_of, why_tested
from tlf.training.best_epoch import copies
from tlf.training.job import Job, kernels_of, open_job, read_images

if TYPE_CHECKING:
    from accelerate import Accelerator

LrEvent = Prepared | Notice | Stored | LearningRates
Events = Prepared | Notice | Stored


def lr(
    recipe: RecipeLike,
    overrides: Sequence[str] = (),
    *,
    phase: str | None = None,
    rates: tuple[float, float] | None = None,
    seeds: int | None = None,
) -> Iterator[LrEvent]:
    """Find out which learning rate suits each phase of a recipe. Yields events, and at last a
    ``LearningRates``. Nothing is written but the cache, and the eval split is not used.

    Parameters:
        recipe: the path of a recipe, or the result of ``load_recipe``.
        overrides: ``key=value``, as on the command line.
        phase: the name of the only phase; None: all of them.
        rates: the lowest and the highest rate that is tried.
        seeds: how many seeds each rate of a head is trained with; None: 5, of more than 2,000
            images 1.

    Raises:
        TlfError: the recipe is wrong, images are missing or too few, or a loss is no finite number.
        MemoryError, RuntimeError: Python's or torch's own error about too little memory.
    """
    check_alone("a study")
    if seeds is not None and seeds < 1:
        raise RunError(f"seeds must be 1 or more, got {seeds}; write --seeds 5")
    plan, between = plan_of(recipe, overrides), limits(rates)
    chosen = chosen_phases(plan, phase)
    splits = find_splits(plan)
    kernels = kernels_of(plan.recipe)
    kernels.reserve()
    accelerator = start_accelerator(plan.recipe.precision)
    with lost_processes_named("write the same command again"), kernels.used_on(accelerator.device):
        yield from _found(replace(plan, splits=splits), accelerator, chosen, between, seeds)


@dataclass(frozen=True)
class _Asked:
    """What a person wants to know, and of what."""

    job: Job
    between: Limits | None
    seeds: int | None
    start: Mapping[str, Tensor]
    """The new head, which every phase begins with."""
    seen: bool
    """Whether the head of ``start_from`` may have been trained on what is held out here."""

    @cached_property
    def judged(self) -> Judged:
        """The images that judge heads, dealt once for each seed: the same in all phases."""
        job, splits = self.job, self.job.splits
        images = splits.train
        count = self.seeds or (SEEDS if len(images) <= MANY else 1)
        return judged_split(images, splits.classes, job.recipe.seed, count, job.task)


def _found(
    plan: Plan,
    accelerator: "Accelerator",
    chosen: Sequence[Phase],
    between: Limits | None,
    seeds: int | None,
) -> Iterator[LrEvent]:
    check_uses_rate(plan, chosen)
    results: list[HeadRates | RangeTest] = []
    with blame_packages(plan.plugins.packages):
        used = used_pixels(plan.recipe) - {"eval"}
        job = yield from read_images(open_job(plan, accelerator), used=used)
        seen = seen_before(job, head=True)
        given = (*job.splits.notes, *seen)
        yield from map(Notice, given)
        heads = {f"head.{name}" for name in job.classifier.head.state_dict()}
        head_seen = bool(seen) and job.recipe.start_from is not None
        asked = _Asked(job, between, seeds, copies(job.classifier, heads), head_seen)
        notes = list[str]()
        with job.loaders:
            for phase in chosen:
                for event in _of_phase(asked, phase):
                    if isinstance(event, Notice) and event.text in notes:
                        continue  # an earlier phase has told it
                    if isinstance(event, HeadRates | RangeTest):
                        results.append(event)
                        continue
                    notes += [event.text] if isinstance(event, Notice) else []
                    yield event
    notes = [*given, *notes]
    yield LearningRates(plan.source, tuple(results), describe(accelerator), tuple(notes))


def _of_phase(asked: _Asked, phase: Phase) -> Iterator[Events | HeadRates | RangeTest]:
    job = asked.job
    restore_tensors(job.classifier, asked.start)
    segment = segment_of(job, phase)
    if is_measurable(job, phase, segment):
        yield (yield from _measured(asked, phase))
        return
    yield from map(Notice, why_tested(job, phase, segment))
    before, left_out = yield from _trained_before(asked, phase)
    found = yield from range_test(job, phase, segment, asked.between or LIMITS, before)
    yield replace(found, left_out=left_out, lines=() if left_out else found.lines)


def _measured(asked: _Asked, phase: Phase) -> Generator[Events, None, HeadRates]:
    """Measure heads as a run has them in the phase: trained by earlier phases of the head alone."""
    job, judged = asked.job, asked.judged
    yield from map(Notice, (*judged.notes, *_left_out(judged)))
    first = job.recipe.seed
    seeds = range(first, first + len(judged.folds))
    before, left_out, trained = list[str](), list[str](), None
    for earlier in _before(job, phase):
        segment = segment_of(job, earlier)
        after = None
        if is_measurable(job, earlier, segment):
            heads = yield from open_heads(job, earlier, segment, seeds, trained)
            after = yield from heads_after(heads, judged)
            yield from _told(phase, earlier, finite=after is not None)
        trained = trained if after is None else after
        (left_out if after is None else before).append(earlier.name)
    segment = segment_of(job, phase)
    heads = yield from open_heads(job, phase, segment, seeds, trained)
    own = max(segment.rates.values())
    found = yield from measure_heads(heads, judged, own, grid(own, asked.between))
    lines = () if left_out else found.lines
    return replace(
        found,
        trained_before=tuple(before),
        left_out=tuple(left_out),
        seen=asked.seen,
        lines=lines,
    )


def _before(job: Job, phase: Phase) -> Sequence[Phase]:
    return job.recipe.phases[: job.recipe.phases.index(phase)]


def _told(phase: Phase, earlier: Phase, *, finite: bool) -> Iterator[Notice]:
    if not finite:
        yield Notice(
            f"{phase.name} is tested without {earlier.name}, whose loss is no finite number at "
            "the recipe's rate"
        )


def _left_out(judged: Judged) -> Iterator[str]:
    for name, count in judged.left_out.items():
        yield (
            f"class {name!r} trains the heads and does not judge them: it has {count} of the "
            f"{FOLDS} different train images that folds need"
        )


def _trained_before(
    asked: _Asked, phase: Phase
) -> Generator[Events, None, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Train the head in earlier phases that train it alone, at the recipe's rates: the names of
    these, and of those that are left out.
    """
    job, trained, left_out = asked.job, list[str](), list[str]()
    for earlier in _before(job, phase):
        segment = segment_of(job, earlier)
        before, finite = copies(job.classifier, asked.start), False
        if is_measurable(job, earlier, segment):
            finite = yield from train_head(job, earlier, segment)
            yield from _told(phase, earlier, finite=finite)
        if not finite:
            restore_tensors(job.classifier, before)
        (trained if finite else left_out).append(earlier.name)
    return tuple(trained), tuple(left_out)
