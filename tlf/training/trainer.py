"""The training loop. It yields events; its caller shows and saves them.

Everything that changes during training is in ``State``, so training continues from a stored state
as if it had never stopped. Random generators are no part of it (see ``tlf.runtime.seeds``).
"""

import time
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from dataclasses import replace

import torch

from tlf.errors import FrozenMovedError, TrainingError
from tlf.events import Notice, PhaseEnded, Prepared, SegmentEnded, SegmentStarted, Stored, Updated
from tlf.freezing.freeze import changing_tensors, digests
from tlf.freezing.partition import start_of
from tlf.plugins.attribution import blame
from tlf.recipe.metrics import described, measure
from tlf.recipe.schema import Phase
from tlf.results import EpochResult, Progress, for_plugins
from tlf.tasks.metric import LOSS
from tlf.training.best_epoch import BestEpoch, copies, newest_is_best, stalled
from tlf.training.ema import Ema
from tlf.training.epoch import Trained, train_epoch
from tlf.training.evaluation import Predictions, classify, guessing_loss, losses_of
from tlf.training.features import cut_entries, eval_activations
from tlf.training.finite import require_finite
from tlf.training.job import Job
from tlf.training.pace import Pace
from tlf.training.phases import frozen_in, unused_note
from tlf.training.segments.segment import (
    Segment,
    SegmentSetup,
    begin_segment,
    end_segment,
    segment_setup,
)
from tlf.training.state import State

_ROWS = 256
"""Images whose logits are looked at together: a copy of all of them would take as much memory."""

Event = (
    SegmentStarted | SegmentEnded | Prepared | Stored | Updated | Notice | EpochResult | PhaseEnded
)


def train(job: Job, state: State) -> Generator[Event, None, None]:
    """Train all phases in turn on one model. At the end it has the weights of the best epoch."""
    while state.phase < len(job.recipe.phases):
        phase = job.recipe.phases[state.phase]
        if state.segment is None and job.accelerator.is_main_process:
            job.hook.tlf_phase_started(phase=phase.name)
        best = yield from _train_phase(job, phase, state)
        best.load_into(job.classifier)  # the next phase starts from it
        state.best = state.best_so_far(job.recipe.monitor)
        state.start, state.phase_best = best, None
        state.begin_epoch(state.phase + 1, 0)
    if state.best is not None:
        state.best.load_into(job.classifier)
        yield from _compared_with_guessing(job, state.best.result)


def stop(job: Job, state: State) -> Iterator[Event]:
    """End training where it is: audit the segment, and load the best epoch so far."""
    state.best = state.best_so_far(job.recipe.monitor)
    if state.best is None:
        raise RuntimeError("a run without an epoch is stopped")
    if state.segment is not None:
        yield from _end(job, job.recipe.phases[state.phase], state.segment, state)
    state.best.load_into(job.classifier)
    yield from _compared_with_guessing(job, state.best.result)


def _compared_with_guessing(job: Job, best: EpochResult) -> Iterator[Notice]:
    loss, guess = best.eval_loss, guessing_loss(job)
    if loss <= guess:
        return
    advice = "write a lower lr, or train longer"
    if best.train_loss < guess:
        advice = f"of train images it is {best.train_loss:.4g}; write fewer epochs, or a lower lr"
    yield Notice(
        f"the eval loss of the best epoch, {loss:.4g}, is worse than that of a constant guess, "
        f"{guess:.4g}: do not trust its probabilities; {advice}"
    )


def _train_phase(job: Job, phase: Phase, state: State) -> Generator[Event, None, BestEpoch]:
    """Train one phase, which may stop early; return its best epoch."""
    monitor = job.recipe.monitor
    while state.epoch < phase.epochs:
        history = tuple(r for r in state.history if r.phase == phase.name)
        if phase.early_stopping and stalled(phase.early_stopping, monitor, history):
            yield Notice(f"{phase.name}: {monitor} no longer improves; the phase ends here")
            break
        progress = Progress(state.epoch, phase.epochs, history=history, monitor=monitor)
        segment = yield from _current_segment(job, phase, progress, state)
        trained = yield from train_epoch(job, phase, segment, progress, state)
        with state.ema.inside(job.classifier) if state.ema else nullcontext():
            result, predictions = yield from _evaluate(
                job, phase, segment, progress, trained, state
            )
            history = (*history, result)
            chosen = job.hook.tlf_select_best(history=for_plugins(history))
            if newest_is_best(monitor, history, chosen) or state.phase_best is None:
                state.phase_best = None  # frees its memory before the next one is copied
                state.phase_best = BestEpoch(
                    result, copies(job.classifier, state.changed), predictions
                )
        yield from cut_entries(job, segment)
        state.history.append(result)
        state.begin_epoch(state.phase, state.epoch + 1)
        yield result
    if state.segment is not None:
        yield from _end(job, phase, state.segment, state)
    state.ended = state.phase + 1 == len(job.recipe.phases)
    yield PhaseEnded(phase.name)  # its state is stored: after the audit, and with its segment
    state.last = _of_the_head(state.segment)
    state.segment = state.ema = None
    if state.phase_best is None:
        raise RuntimeError(f"phase {phase.name} has no epoch")
    return state.phase_best


def _of_the_head(segment: Segment | None) -> Segment | None:
    """A segment that has trained the head alone, behind stored features."""
    partition = None if segment is None else segment.partition
    return segment if partition is not None and partition.whole else None


def _current_segment(
    job: Job, phase: Phase, progress: Progress, state: State
) -> Generator[Event, None, Segment]:
    """Ask the freeze policies for this epoch. If their answer changed, start a new segment."""
    current = state.segment
    # Taken before the policies are asked, so that a policy that changes a weight is found out.
    before = digests(job.classifier) if current is None else None
    frozen = _frozen(job, phase, progress)
    if current is not None and current.named == frozen:
        return current
    if current is not None:
        yield from _end(job, phase, current, state)
    job.loaders.free_device()
    setup = _setup(job, phase, frozen)
    with blame(job.plan.plugins.catalogue.offer(setup.optimizer), "build"):
        segment = begin_segment(job.accelerator, job.classifier, setup, current, before)
    if phase.ema is not None:
        state.ema = state.ema or Ema(phase.ema, warmup=phase.ema_warmup)
        state.ema.follow(job.classifier, segment.rates)
    state.segment = segment
    start = start_of(segment.partition)
    started = SegmentStarted(phase.name, progress.epoch, segment.rates, start)
    state.segments.append(started)
    state.let_change(job.classifier, changing_tensors(job.classifier, segment.frozen))
    yield started
    if segment.unused:
        yield Notice(unused_note(phase.name, segment.unused))
    if job.recipe.compile and segment.partition is not None:
        yield Notice(f"{phase.name} is not compiled: it trains from the {start} alone")
    return segment


def _frozen(job: Job, phase: Phase, progress: Progress) -> frozenset[str]:
    try:
        return frozen_in(job.plan, job.classifier, phase, progress)
    except ValueError as error:
        where = f"phase {phase.name}, epoch {progress.epoch + 1}"
        raise TrainingError(f"the freeze policy of {where}: {error}") from error


def _setup(job: Job, phase: Phase, frozen: frozenset[str]) -> SegmentSetup:
    try:
        return segment_setup(job, phase, frozen)
    except ValueError as error:
        raise TrainingError(f"the lr of phase {phase.name}: {error}") from error


def _end(job: Job, phase: Phase, segment: Segment, state: State) -> Iterator[Event]:
    try:
        audit = end_segment(job.accelerator, segment)
    except FrozenMovedError as error:
        kinds = [job.plan.plugins.catalogue.offer(policy).kind for policy in phase.freeze]
        backbone = job.plan.plugins.catalogue.offer(job.recipe.backbone).kind
        raise FrozenMovedError(
            f"phase {phase.name} (freeze = {', '.join(kinds)}; backbone = {backbone}): {error}"
        ) from error
    started = state.segments[-1] = replace(state.segments[-1], audit=audit)
    yield SegmentEnded(phase.name, started.epoch, audit)
    if unmoved := audit.unmoved:
        more = f" and {len(unmoved) - 1} more" if len(unmoved) > 1 else ""
        yield Notice(
            f"{unmoved[0]}{more} should have trained and did not change: gradients were 0, or "
            "updates too small for float32, which a higher lr makes larger"
        )


def _evaluate(
    job: Job,
    phase: Phase,
    segment: Segment,
    progress: Progress,
    trained: Trained,
    state: State,
) -> Generator[Event, None, tuple[EpochResult, Predictions]]:
    """Evaluate the eval split; return the result of the epoch, and the predictions."""
    stored = None
    if state.ema is None or state.ema.all_train(segment.rates):
        stored = yield from eval_activations(job, segment)
    else:  # frozen stages are averaged, too: neither their output nor their casts are those kept
        segment = replace(segment, weights=None)
    started = time.perf_counter()
    predictions: Predictions | None = None
    count, pace = len(job.splits.eval), Pace(job)
    for step in classify(job, segment, stored):
        if isinstance(step, Predictions):
            predictions = step
        else:
            yield Updated(
                phase.name, progress, evaluating=True, done=step, images=count, synced=pace.waits()
            )
    if predictions is None:
        raise RuntimeError("the evaluation ended without predictions")
    result = EpochResult(
        phase=phase.name,
        epoch=progress.epoch,
        train_loss=trained.loss,
        metrics=_metrics(job, state, predictions),
        lr=trained.lr,
        updates=trained.updates,
        seconds=trained.seconds + time.perf_counter() - started,
        images_per_second=trained.images / trained.seconds,
        stages=trained.stages,
        train_metrics=trained.metrics,
        described=described(job.plan),
    )
    return result, predictions


def _metrics(job: Job, state: State, predictions: Predictions) -> dict[str, float]:
    loss = _mean_loss(job, state, predictions)
    probabilities, labels = job.task.probabilities(predictions.logits), predictions.labels
    named = measure(job.plan, probabilities, labels)
    if named:  # the figures of the main process: which epoch is the best is the same in all
        is_main = job.accelerator.is_main_process
        figures = job.summed([figure if is_main else 0.0 for figure in named.values()])
        named = dict(zip(named, figures, strict=True))
    return {LOSS.name: loss, **job.task.evaluate(probabilities, labels), **named}


def _mean_loss(job: Job, state: State, predictions: Predictions) -> float:
    """The mean loss of the eval split.

    Raises:
        NotFiniteError: a logit or a loss is not finite.
    """
    logits, labels = predictions.logits, predictions.labels
    losses = losses_of(job, logits, labels)  # on the host, since some devices have no float64
    largest = torch.cat([part.abs().amax(1) for part in torch.split(logits, _ROWS)])
    for what, numbers in {"logits": largest, "loss": losses}.items():
        wrong = (~numbers.isfinite()).nonzero().flatten().tolist()
        names = (f"the {what} of {job.splits.eval.names[index]}" for index in wrong[:1])
        require_finite(job, state, {name: float(numbers[wrong[0]]) for name in names})
    job.check_losses(float(losses.min()))
    return float(losses.double().mean().item())
