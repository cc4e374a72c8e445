"""The training half of an epoch: all its updates, each at its own learning rate."""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast

from tlf.data.loading import make_batches, order
from tlf.freezing.freeze import changing_tensors, freeze
from tlf.model import trains_batchnorm
from tlf.plugins.attribution import blame
from tlf.recipe.schema import Phase
from tlf.results import Notice, Progress, StageSignals, Updated
from tlf.training.features import Events, train_activations, view
from tlf.training.job import Job
from tlf.training.loss_meter import LossMeter
from tlf.training.segment import Segment
from tlf.training.signals import measured_updates
from tlf.training.state import State
from tlf.training.step import Updates, pieces_of


@dataclass(frozen=True)
class Trained:
    """The result of the training half of an epoch."""

    loss: float
    lr: float
    updates: int
    images: int
    """Trained on since the epoch began, or since the run was resumed within it."""
    seconds: float
    stages: Mapping[str, StageSignals]


def train_epoch(
    job: Job, phase: Phase, segment: Segment, progress: Progress, state: State
) -> Generator[Events | Updated, None, Trained]:
    """Train on the train split once, or on what is left of it after resuming."""
    recipe, run_epoch = job.recipe, len(state.history)
    stored = yield from train_activations(job, phase, segment, run_epoch)
    started = time.perf_counter()
    # Evaluation set every module to eval mode, the trainable ones too.
    freeze(segment.classifier, segment.frozen)
    indices = order(recipe.seed, run_epoch, len(job.splits.train))
    batches = make_batches(
        indices, recipe.batch_size, lone=not trains_batchnorm(segment.classifier)
    )
    view_number = view(job, phase, segment, run_epoch)
    pieces = pieces_of(
        job,
        phase,
        batches[state.update :],
        view_number,
        stored,
        together=segment.norms.synchronised,
    )
    updates = Updates(job, phase, segment, run_epoch, pieces)
    where = f"phase {phase.name}, epoch {progress.epoch + 1}"
    losses = state.losses = state.losses or LossMeter(job.accelerator.device, where)
    before, progress = losses.done, replace(progress, updates=len(batches))
    yield from _make_updates(updates, batches, progress, state, losses)
    _share_buffers(job.accelerator, segment)
    seconds = time.perf_counter() - started
    last = replace(progress, update=len(batches) - 1)
    return Trained(
        loss=losses.mean(job.accelerator),
        lr=max(segment.rates.values()) * _factor(job, phase, last),
        updates=len(batches),
        images=losses.done - before,
        seconds=seconds,
        stages=state.signals.means(),
    )


def _make_updates(
    updates: Updates,
    batches: Sequence[Sequence[int]],
    progress: Progress,
    state: State,
    losses: LossMeter,
) -> Iterator[Notice | Updated]:
    """Make the remaining updates of an epoch."""
    job, phase, segment = updates.job, updates.phase, updates.segment
    measured, images = measured_updates(len(batches)), len(job.splits.train)
    for number, batch in enumerate(batches[state.update :], start=state.update):
        now = replace(progress, update=number)
        # tlf writes the rate itself. A scheduler that Accelerate prepared would step once per
        # process, and its state would have to be stored.
        _write_rates(segment.optimizer, _factor(job, phase, now))
        began = time.perf_counter()
        signals = state.signals if number in measured else None
        loss = updates.make(number, len(batch), signals)
        if job.recipe.compile and segment.partition is None and len(segment.update_seconds) < 2:
            yield from _compile_time(segment, time.perf_counter() - began)
        losses.add(loss, len(batch), number)
        if state.ema is not None:
            state.ema.update(job.classifier)
        state.update = number + 1
        yield Updated(
            phase.name, now, evaluating=False, done=losses.done, images=images,
            loss=losses.so_far(),
        )  # fmt: skip


def _compile_time(segment: Segment, seconds: float) -> Iterator[Notice]:
    """Report the time that compiling took, once there is a second update to compare with."""
    segment.update_seconds.append(seconds)
    if len(segment.update_seconds) == 2:
        first, second = segment.update_seconds
        yield Notice(f"compiling took {first - second:.1f} s of the first update's {first:.1f} s")


def _factor(job: Job, phase: Phase, progress: Progress) -> float:
    with blame(job.plan.plugins.catalogue.offer(phase.scheduler), "factor"):
        return phase.scheduler.factor(progress)


def _write_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set the learning rate of the next update in every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor


def _share_buffers(accelerator: Accelerator, segment: Segment) -> None:
    """Copy the first process's statistics to all, so that all evaluate one model."""
    if accelerator.num_processes == 1:
        return
    changing = changing_tensors(segment.classifier, segment.frozen)
    for name, buffer in segment.classifier.named_buffers():
        if name in changing:
            buffer.copy_(broadcast(buffer.clone()))
