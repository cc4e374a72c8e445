"""Logits of every train image, from a head that was not trained on it.

The train split is dealt into folds. For each of them, a new head trains on the others as the run's
head has: from the same start, with the same optimizer, rates and order of images, for as many
epochs as the best model has trained.
"""

from collections.abc import Collection, Generator, Iterator
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor

from tlf.cache.rows import Rows
from tlf.events import Prepared
from tlf.freezing.freeze import freeze
from tlf.model import restore_tensors
from tlf.recipe.build import build_model
from tlf.recipe.schema import Phase
from tlf.results import EpochResult, Progress, for_plugins
from tlf.training.best_epoch import copies, newest_is_best
from tlf.training.calibration.classify import train_logits
from tlf.training.calibration.held_out import folds
from tlf.training.ema import Ema
from tlf.training.epoch import epoch_batches, write_rates
from tlf.training.features import Events, train_activations, view
from tlf.training.job import Job
from tlf.training.phases import frozen_in, rate_factor
from tlf.training.segments.segment import Segment, begin_segment, segment_setup
from tlf.training.state import State
from tlf.training.step import Updates, pieces_of

Stored = dict[tuple[str, int | None], Rows | None]
Stores = dict[str, Stored]
"""Phase → its stored features."""


def out_of_fold_logits(job: Job, state: State) -> Generator[Events, None, Tensor]:
    """Train a head for each fold, and classify it: (N, K) float32 on the CPU, in the order of the
    train split. Every process has to call this. The model has its best weights before and after.
    """
    if state.best is None:
        raise RuntimeError("a run without an epoch")
    logits = torch.empty(len(job.splits.train), len(job.splits.classes))
    _, start = build_model(job.plan, len(job.splits.classes))
    head = {name: tensor.clone() for name, tensor in start.head.state_dict().items()}
    every = folds(job.splits.train, job.task, job.recipe.seed)
    last = state.segment or state.last
    # What a phase has stored is the same for all folds.
    stores: Stores = {phase.name: {} for phase in job.recipe.phases}
    stores |= {} if last is None else {state.segments[-1].phase: last.stored}
    for number, fold in enumerate(every):
        restore_tensors(job.classifier.head, head)
        segment = yield from _train(job, state, fold, stores)
        indices = sorted(fold)
        logits[indices] = yield from train_logits(job, indices, segment)
        job.accelerator.free_memory()
        yield Prepared("heads that calibrate", number + 1, len(every))
    state.best.load_into(job.classifier)
    return logits


def _train(
    job: Job, state: State, fold: Collection[int], stores: Stores
) -> Generator[Events, None, Segment]:
    """Train the head on all images but those of a fold, up to the best epoch of the run."""
    segment, before = None, 0
    for phase, results, epochs in _phases(job, state):
        ema = None if phase.ema is None else Ema(phase.ema, warmup=phase.ema_warmup)
        segment = None
        for epoch in range(epochs):
            history, monitor = tuple(results[:epoch]), job.recipe.monitor
            progress = Progress(epoch, phase.epochs, history=history, monitor=monitor)
            segment = _segment(job, phase, progress, segment, stores[phase.name])
            if ema is not None:
                ema.follow(job.classifier, segment.rates)
            yield from train_epoch_without(job, phase, segment, progress, before + epoch, fold, ema)
        with nullcontext() if ema is None else ema.inside(job.classifier):
            trained = copies(
                job.classifier, {f"head.{n}" for n in job.classifier.head.state_dict()}
            )
        restore_tensors(job.classifier, trained)  # the next phase starts from it
        before += len(results)
    if segment is None:
        raise RuntimeError("a run without a phase")
    return segment


def _segment(
    job: Job, phase: Phase, progress: Progress, current: Segment | None, stored: Stored
) -> Segment:
    """The segment of an epoch: a new one where the policies freeze something else than before."""
    frozen = frozen_in(job.plan, job.classifier, phase, progress)
    if current is not None and current.named == frozen:
        return current
    if current is not None:
        job.accelerator.free_memory()
    setup = segment_setup(job, phase, frozen)
    segment = begin_segment(job.accelerator, job.classifier, setup, current)
    return replace(segment, stored=stored)


def train_epoch_without(
    job: Job,
    phase: Phase,
    segment: Segment,
    progress: Progress,
    run_epoch: int,
    fold: Collection[int],
    ema: Ema | None,
) -> Generator[Events, None, None]:
    """Make the updates of an epoch without the images of a fold. No hook is told about them."""
    stored = yield from train_activations(job, phase, segment, run_epoch)
    freeze(segment.classifier, segment.frozen, segment.modes)
    batches = epoch_batches(job, phase, segment, run_epoch, fold)
    number_of_view, together = view(job, phase, segment, run_epoch), segment.norms.synchronised
    pieces = pieces_of(job, phase, batches, number_of_view, stored, together=together)
    updates, skipped = Updates(job, phase, segment, run_epoch, pieces), 0
    for number, batch in enumerate(batches):
        now = replace(progress, update=number - skipped, updates=len(batches))
        write_rates(segment.optimizer, rate_factor(job.plan, phase, now))
        made = updates.make(number, len(batch), None)
        skipped += made.skipped
        if ema is not None and not made.skipped:
            ema.update(job.classifier)


def _phases(job: Job, state: State) -> Iterator[tuple[Phase, list[EpochResult], int]]:
    """The phases up to the best epoch: each with its results, and how many of its epochs are gone
    on from.
    """
    best = state.best.result if state.best is not None else None
    for phase in job.recipe.phases:
        results = [result for result in state.history if result.phase == phase.name]
        ends = best is not None and phase.name == best.phase
        chosen = best if ends and best is not None else _best(job, results)
        yield phase, results, chosen.epoch + 1
        if ends:
            return


def _best(job: Job, results: list[EpochResult]) -> EpochResult:
    """The best epoch of a phase, which the next phase starts from: chosen after every epoch, as the
    phase has done.
    """
    best = results[0]
    for count in range(2, len(results) + 1):
        history = tuple(results[:count])
        chosen = job.hook.tlf_select_best(history=for_plugins(history))
        best = history[-1] if newest_is_best(job.recipe.monitor, history, chosen) else best
    return best
