"""The one loop. It yields what happens, and leaves showing and saving to whoever listens.

Whatever changes while it runs stands in ``State``: with the same state, it goes on as if it had
never stopped. Randomness is no part of it (see ``tlf.runtime.seeds``).
"""

import time
from collections.abc import Generator, Iterator
from contextlib import nullcontext

from tlf.errors import FrozenMovedError, TrainingError
from tlf.freezing.freeze import changing_tensors, digests
from tlf.freezing.partition import start_of
from tlf.plugins.attribution import blame
from tlf.recipe.schema import Phase
from tlf.results import EpochResult, Notice, Prepared, Progress, SegmentStarted, Stored, Updated
from tlf.tasks.metric import LOSS
from tlf.training.best_epoch import BestEpoch, better, copied, newest_is_best, stalled
from tlf.training.ema import Ema
from tlf.training.epoch import Trained, train_epoch
from tlf.training.evaluation import Predictions, classify
from tlf.training.features import apart, eval_activations, largest_piece
from tlf.training.job import Job
from tlf.training.phases import frozen_in, learning_rates
from tlf.training.segment import Segment, begin_segment, end_segment
from tlf.training.signals import Signals
from tlf.training.state import State

Event = SegmentStarted | Prepared | Stored | Updated | Notice | EpochResult


def train(job: Job, state: State) -> Iterator[Event]:
    """Train all phases one after the other on one model; leave the best epoch's weights in it."""
    while state.phase < len(job.recipe.phases):
        phase = job.recipe.phases[state.phase]
        if state.segment is None and job.accelerator.is_main_process:
            job.hook.tlf_phase_started(phase=phase.name)
        best = yield from _train_phase(job, phase, state)
        best.put_back(job.classifier)  # what the next phase starts from
        if state.best is None or better(job.recipe.monitor, best.result, state.best.result):
            state.best = best
        state.phase, state.phase_best, state.epoch = state.phase + 1, None, 0
    if state.best is not None:
        state.best.put_back(job.classifier)


def _train_phase(job: Job, phase: Phase, state: State) -> Generator[Event, None, BestEpoch]:
    """Train one phase; give its best epoch, whether or not the phase ended early."""
    monitor = job.recipe.monitor
    while state.epoch < phase.epochs:
        history = tuple(r for r in state.history if r.phase == phase.name)
        if phase.early_stopping and stalled(phase.early_stopping, monitor, history):
            yield Notice(f"{phase.name}: {monitor} no longer improves; the phase ends here")
            break
        progress = Progress(state.epoch, phase.epochs, history=history, monitor=monitor)
        segment = yield from _segment(job, phase, progress, state)
        trained = yield from train_epoch(job, phase, segment, progress, state)
        with state.average.inside(job.classifier) if state.average else nullcontext():
            result, predictions = yield from _evaluate(
                job, phase, segment, progress, trained, state.average
            )
            history = (*history, result)
            chosen = job.hook.tlf_select_best(history=history)
            if newest_is_best(monitor, history, chosen) or state.phase_best is None:
                state.phase_best = None  # its memory serves the next one
                state.phase_best = BestEpoch(
                    result, copied(job.classifier, state.changed), predictions
                )
        state.history.append(result)
        state.epoch, state.update, state.losses = state.epoch + 1, 0, None
        state.signals = Signals()
        yield result
    if state.segment is not None:
        yield from _end(job, phase, state.segment)
    state.segment = state.average = None
    if state.phase_best is None:
        raise RuntimeError(f"phase {phase.name} has no epoch")
    return state.phase_best


def _segment(
    job: Job, phase: Phase, progress: Progress, state: State
) -> Generator[Event, None, Segment]:
    """Ask the policy anew. Where its answer changed, end the segment and begin another."""
    current = state.segment
    # Taken before the policy is asked: what it names is compared with what it was before that.
    before = digests(job.classifier) if current is None else None
    frozen = _frozen(job, phase, progress)
    if current is not None and current.frozen == frozen:
        return current
    if current is not None:
        yield from _end(job, phase, current)
    rates = _rates(job, phase, frozen)
    optimizer = phase.optimizer or job.recipe.optimizer
    with blame(job.plan.plugins.catalogue.offer(optimizer), "build"):
        segment = begin_segment(
            job.accelerator, job.classifier, frozen, rates, optimizer,
            current, before, apart(job.plan, phase, job.preprocessing), largest_piece(job),
            compiled=job.recipe.compile,
        )  # fmt: skip
    if phase.ema is not None:
        state.average = state.average or Ema(phase.ema)
        state.average.follow(job.classifier, rates)
    state.segment = segment
    start = start_of(segment.partition)
    started = SegmentStarted(phase.name, progress.epoch, rates, start)
    state.segments.append(started)
    state.let_change(job.classifier, changing_tensors(job.classifier, frozen))
    yield started
    if job.recipe.compile and segment.partition is not None:
        yield Notice(f"{phase.name} is not compiled: it trains from the {start} alone")
    return segment


def _frozen(job: Job, phase: Phase, progress: Progress) -> frozenset[str]:
    try:
        return frozen_in(job.plan, job.classifier, phase, progress)
    except ValueError as error:
        where = f"phase {phase.name}, epoch {progress.epoch + 1}"
        raise TrainingError(f"the freeze policy of {where}: {error}") from error


def _rates(job: Job, phase: Phase, frozen: frozenset[str]) -> dict[str, float]:
    try:
        return learning_rates(job.classifier, phase, frozen)
    except ValueError as error:
        raise TrainingError(f"the lr of phase {phase.name}: {error}") from error


def _end(job: Job, phase: Phase, segment: Segment) -> Iterator[Notice]:
    try:
        still = end_segment(job.accelerator, segment)
    except FrozenMovedError as error:
        kinds = [job.plan.plugins.catalogue.offer(policy).kind for policy in phase.freeze]
        backbone = job.plan.plugins.catalogue.offer(job.recipe.backbone).kind
        raise FrozenMovedError(
            f"phase {phase.name} (freeze = {', '.join(kinds)}; backbone = {backbone}): {error}"
        ) from error
    if still:
        more = f" and {len(still) - 1} more" if len(still) > 1 else ""
        yield Notice(f"{still[0]}{more} should have trained and did not move")


def _evaluate(
    job: Job,
    phase: Phase,
    segment: Segment,
    progress: Progress,
    trained: Trained,
    average: Ema | None,
) -> Generator[Event, None, tuple[EpochResult, Predictions]]:
    """Classify the eval split, and sum the epoch up."""
    stored = None
    if average is None or average.all_train(segment.rates):
        stored = yield from eval_activations(job, segment)
    started = time.perf_counter()
    predictions: Predictions | None = None
    count = len(job.splits.eval)
    for step in classify(job, segment, stored):
        if isinstance(step, Predictions):
            predictions = step
        else:
            yield Updated(phase.name, progress, evaluating=True, done=step, images=count)
    if predictions is None:
        raise RuntimeError("the evaluation ended without predictions")
    result = EpochResult(
        phase=phase.name,
        epoch=progress.epoch,
        train_loss=trained.loss,
        metrics={
            LOSS.name: _mean_loss(job, predictions),
            **job.task.evaluate(job.task.probabilities(predictions.logits), predictions.labels),
        },
        lr=trained.lr,
        updates=trained.updates,
        seconds=trained.seconds + time.perf_counter() - started,
        images_per_second=trained.images / trained.seconds,
        stages=trained.stages,
    )
    return result, predictions


def _mean_loss(job: Job, predictions: Predictions) -> float:
    device = job.accelerator.device
    losses = job.loss(predictions.logits.to(device), predictions.labels.to(device))
    return float(losses.double().mean().item())
