"""The training half of an epoch: all its updates, each at its own learning rate."""

import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast

from tlf.data.loading import Key, make_batches, order
from tlf.data.sampling.balanced import balanced_draws
from tlf.data.sampling.draws import Draws
from tlf.events import Notice, Updated
from tlf.freezing.freeze import changing_tensors, freeze
from tlf.model import trains_batchnorm
from tlf.recipe.schema import Phase
from tlf.results import Progress, StageSignals, UpdateResult
from tlf.training.features import Events, train_activations, view
from tlf.training.finite import check_finite
from tlf.training.job import Job
from tlf.training.loss_meter import LossMeter
from tlf.training.pace import Pace
from tlf.training.phases import rate_factor
from tlf.training.segments.segment import Segment
from tlf.training.signals import measured_updates, parts
from tlf.training.state import State
from tlf.training.step import Updates, pieces_of


@dataclass(frozen=True)
class Trained:
    """The result of the training half of an epoch."""

    loss: float
    metrics: Mapping[str, float]
    """The task's train metric; empty where it is not known of every image."""
    lr: float
    updates: int
    images: int
    """Trained on since the epoch began, or since the run was resumed within it."""
    seconds: float
    stages: Mapping[str, StageSignals]


def epoch_batches(
    job: Job,
    phase: Phase,
    segment: Segment,
    run_epoch: int,
    without: Collection[int],
    seed: int | None = None,
) -> Sequence[list[Key]]:
    """The draws of an epoch, batch by batch, as the sampler of its phase has them.

    Parameters:
        job: the job.
        phase: the phase.
        segment: what trains.
        run_epoch: the number of the epoch in the run.
        without: indices of train images that are not drawn.
        seed: what they are drawn from; None: the recipe's.
    """
    recipe, labels = job.recipe, job.labels["train"]
    seed = recipe.seed if seed is None else seed
    if (phase.sampler or recipe.sampler) == "balanced":
        every = job.task.by_class(labels, len(job.splits.classes))
        left = [[index for index in images if index not in without] for images in every]
        draws = balanced_draws(seed, run_epoch, left)
    else:
        kept = np.array(order(seed, run_epoch, len(labels)))
        if without:
            kept = kept[~np.isin(kept, [*without])]
        draws = Draws(np.broadcast_to(run_epoch, len(kept)), kept)
    # A study asks for hundreds of epochs: the network is looked through only where it matters.
    one_is_left = (len(draws) - 1) % recipe.batch_size == 0
    lone = not (one_is_left and trains_batchnorm(segment.classifier))
    return make_batches(draws, recipe.batch_size, lone=lone)


def train_epoch(
    job: Job, phase: Phase, segment: Segment, progress: Progress, state: State
) -> Generator[Events | Updated, None, Trained]:
    """Train on the train split once, or on what is left of it after resuming."""
    run_epoch = len(state.history)
    stored = yield from train_activations(job, phase, segment, run_epoch)
    started = time.perf_counter()
    # Evaluation set every module to eval mode, the trainable ones too.
    freeze(segment.classifier, segment.frozen, segment.modes)
    batches = epoch_batches(job, phase, segment, run_epoch, job.held_out)
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
    losses = state.losses = state.losses or LossMeter()
    before, progress = losses.done, replace(progress, updates=len(batches))
    yield from _make_updates(updates, batches, progress, state, losses)
    _share_buffers(job.accelerator, segment)
    seconds = time.perf_counter() - started
    last = replace(progress, update=max(0, state.update - 1 - state.skipped))
    total, correct, classified = job.summed([losses.total, losses.correct, losses.classified])
    metric = job.task.train_metric
    factor = rate_factor(job.plan, phase, last)
    return Trained(
        loss=total / losses.done,
        metrics={metric: correct / losses.done} if classified == losses.done else {},
        lr=max(segment.rates.values()) * factor,
        updates=state.update,
        images=losses.done - before,
        seconds=seconds,
        stages={
            stage: replace(signals, lr=factor * _rate(segment, stage))
            for stage, signals in state.signals.means().items()
        },
    )


def _rate(segment: Segment, part: str) -> float:
    """The highest rate of a stage, or of the head, before the scheduler; 0 if it is frozen."""
    names = parts(segment.classifier)[part]
    return max((segment.rates[name] for name in names if name in segment.rates), default=0.0)


def _make_updates(
    updates: Updates,
    batches: Sequence[Sequence[Key]],
    progress: Progress,
    state: State,
    losses: LossMeter,
) -> Iterator[Notice | Updated]:
    """Make the remaining updates of an epoch."""
    job, phase, segment = updates.job, updates.phase, updates.segment
    measured, images = measured_updates(len(batches)), sum(map(len, batches))
    pace, measure = Pace(job), False
    highest, reports = max(segment.rates.values()), _reports_updates(job)
    for number, batch in enumerate(batches[state.update :], start=state.update):
        # An update that was skipped does not count for the schedule.
        now = replace(progress, update=number - state.skipped)
        # tlf writes the rate itself. A scheduler that Accelerate prepared would step once per
        # process, and its state would have to be stored.
        factor = rate_factor(job.plan, phase, now)
        write_rates(segment.optimizer, factor)
        began, graphs = time.perf_counter(), _graphs(job, segment)
        measure = measure or number in measured
        made = updates.make(number, len(batch), state.signals if measure else None)
        compiled = _graphs(job, segment) > graphs
        yield from _compile_time(segment, time.perf_counter() - began, compiled=compiled)
        losses.add(made, len(batch), number)
        state.skipped += made.skipped
        measure = measure and made.skipped  # then the next one is measured instead
        if state.ema is not None and not made.skipped:
            state.ema.update(job.classifier)
        state.update = number + 1
        if waits := pace.waits() or state.update == len(batches):
            check_finite(job, state)
        if reports:
            job.hook.tlf_update_ended(
                result=UpdateResult(
                    phase.name, progress.epoch, number, len(batches), losses.done,
                    highest * factor, losses.so_far(),
                )
            )  # fmt: skip
        yield Updated(
            phase.name, replace(progress, update=number), evaluating=False, done=losses.done,
            images=images, loss=losses.so_far(), synced=waits,
        )  # fmt: skip
        if state.cut_short:
            return


def _reports_updates(job: Job) -> bool:
    """Whether a plugin is called after every update: in the main process only."""
    hooked = bool(job.hook.tlf_update_ended.get_hookimpls())
    return hooked and bool(job.accelerator.is_main_process)


def _graphs(job: Job, segment: Segment) -> int:
    """How many graphs were compiled so far; 0 where nothing is."""
    return job.compiled.count if job.recipe.compile and segment.partition is None else 0


def _compile_time(segment: Segment, seconds: float, *, compiled: bool) -> Iterator[Notice]:
    """Report the time that compiling took, once there is an update that did not compile."""
    if compiled:
        segment.compiling.append(seconds)
    elif segment.compiling:
        spent = sum(segment.compiling)
        extra = spent - seconds * len(segment.compiling)
        segment.compiling.clear()
        yield Notice(f"compiling took {extra:.1f} s of the {spent:.1f} s that an update took")


def write_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
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
