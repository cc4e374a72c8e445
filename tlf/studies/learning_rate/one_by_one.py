"""Heads trained one after the other, as a run trains each: what cannot be stacked exactly."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from math import nan

from accelerate.optimizer import AcceleratedOptimizer
from torch import Tensor

from tlf.events import Prepared
from tlf.model import restore_tensors
from tlf.recipe.metrics import described, measure
from tlf.recipe.schema import Phase
from tlf.results import EpochResult, Progress
from tlf.studies.learning_rate.deals import Deal, Outcomes, judge
from tlf.studies.learning_rate.grid import at_rate
from tlf.studies.learning_rate.stacked import Heads
from tlf.tasks.metric import LOSS
from tlf.training.best_epoch import copies, stalled
from tlf.training.calibration.classify import train_logits
from tlf.training.calibration.out_of_fold import train_epoch_without
from tlf.training.ema import Ema
from tlf.training.features import Events
from tlf.training.job import Job
from tlf.training.phases import learning_rates
from tlf.training.segments.groups import build_optimizer, parameter_groups
from tlf.training.segments.segment import Segment


def train_one_by_one(
    heads: Heads, deals: Sequence[Deal], own: float, rates: Sequence[float]
) -> Outcomes:
    """Train a head for each deal and each rate, and judge it, as ``train_at_once`` does."""
    title, done, epochs = f"heads of {heads.phase.name}", 0, heads.phase.epochs
    total = heads.images(deals) * len(rates) * epochs
    for deal in deals:
        for number, rate in enumerate(rates):
            phase = at_rate(heads.phase, own, rate)
            trained = yield from _trained(heads, phase, deal)
            labels = heads.labels[[*deal.held_out]]
            logits = None if trained is None else trained.logits.to(labels.device)
            yield judge(heads.job, deal, number, logits, labels)
            done += heads.images([deal]) * epochs
            yield Prepared(title, done, total)


def after_one_by_one(
    heads: Heads, deals: Sequence[Deal]
) -> Generator[Events, None, dict[int, dict[str, Tensor]]]:
    """Train a head for each deal at the recipe's rates: number of the deal → its tensors, without
    those of heads whose training broke off.
    """
    found, title = {}, f"heads of {heads.phase.name}"
    for number, deal in enumerate(deals):
        trained = yield from _trained(heads, heads.phase, deal)
        if trained is not None:
            found[deal.number] = trained.head
        yield Prepared(title, heads.images(deals[: number + 1]), heads.images(deals))
    return found


@dataclass(frozen=True)
class _Trained:
    """A head after its last epoch."""

    logits: Tensor
    """Of the held-out images."""
    head: dict[str, Tensor]
    """Its tensors; averaged, where the phase averages."""


def _trained(heads: Heads, phase: Phase, deal: Deal) -> Generator[Events, None, _Trained | None]:
    """Train the head of a deal; None where training broke off."""
    job, without = _alone(heads.job, phase, deal), {*deal.held_out, *heads.job.held_out}
    restore_tensors(job.classifier.head, heads.start(deal))
    segment = _with_optimizer(job, phase, heads.segment)
    ema = None if phase.ema is None else Ema(phase.ema, warmup=phase.ema_warmup)
    if ema is not None:
        ema.follow(job.classifier, segment.rates)
    start = Progress(0, phase.epochs, monitor=job.recipe.monitor)
    history: list[EpochResult] = []
    trained: _Trained | None = None
    while len(history) < phase.epochs and not _stopped(phase, job.recipe.monitor, history):
        progress = replace(start, epoch=len(history), history=tuple(history))
        yield from train_epoch_without(job, phase, segment, progress, len(history), without, ema)
        with nullcontext() if ema is None else ema.inside(job.classifier):
            logits = yield from train_logits(job, deal.held_out, segment)
            own = job.classifier.head.state_dict()
            trained = _Trained(logits, {name: own[name].detach().clone() for name in own})
        if not _is_finite(job.classifier.head.state_dict()):
            return None
        labels = heads.labels[[*deal.held_out]].cpu()
        history.append(_result(job, phase, progress, logits, labels))
    return trained


def train_head(job: Job, phase: Phase, segment: Segment) -> Generator[Events, None, bool]:
    """Train the head on all train images, at the recipe's rates, from what it is now. Nothing is
    evaluated: a phase lasts for all of its epochs.

    Returns:
        Whether all its numbers are finite.
    """
    ema = None if phase.ema is None else Ema(phase.ema, warmup=phase.ema_warmup)
    if ema is not None:
        ema.follow(job.classifier, segment.rates)
    names = {f"head.{name}" for name in job.classifier.head.state_dict()}
    for epoch in range(phase.epochs):
        progress = Progress(epoch, phase.epochs, monitor=job.recipe.monitor)
        yield from train_epoch_without(job, phase, segment, progress, epoch, job.held_out, ema)
        yield Prepared(f"{phase.name} at the recipe's rate", epoch + 1, phase.epochs)
    with nullcontext() if ema is None else ema.inside(job.classifier):
        trained = copies(job.classifier, names)
    restore_tensors(job.classifier, trained)
    return _is_finite(trained)


def _is_finite(tensors: Mapping[str, Tensor]) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors.values())


def _alone(job: Job, phase: Phase, deal: Deal) -> Job:
    """The job of a run that has this phase alone, and the seed of a deal."""
    recipe = replace(job.recipe, seed=deal.seed, phases=(phase,))
    return replace(job, plan=replace(job.plan, recipe=recipe))


def _with_optimizer(job: Job, phase: Phase, segment: Segment) -> Segment:
    """The same segment with a new optimizer: all else is the same for each head."""
    rates = learning_rates(job.classifier, phase, segment.frozen)
    optimizer = phase.optimizer or job.recipe.optimizer
    built = build_optimizer(optimizer, parameter_groups(job.classifier, rates, optimizer))
    scaler = job.accelerator.scaler
    if scaler is not None:  # it starts as in a run
        scaler.load_state_dict(type(scaler)(device=job.accelerator.device.type).state_dict())
    wrapped = AcceleratedOptimizer(built, device_placement=False, scaler=scaler)
    return replace(segment, rates=rates, optimizer=wrapped)


def _stopped(phase: Phase, monitor: str, history: Sequence[EpochResult]) -> bool:
    stopping = phase.early_stopping
    return stopping is not None and stalled(stopping, monitor, tuple(history))


def _result(
    job: Job, phase: Phase, progress: Progress, logits: Tensor, labels: Tensor
) -> EpochResult:
    """What a schedule or early stopping may look at: the held-out images are its eval split."""
    device = job.accelerator.device
    loss = float(job.losses(logits.to(device), labels.to(device)).cpu().double().mean())
    probabilities = job.task.probabilities(logits)
    metrics: Mapping[str, float] = {
        LOSS.name: loss,
        **job.task.evaluate(probabilities, labels),
        **measure(job.plan, probabilities, labels),
    }
    return EpochResult(
        phase=phase.name, epoch=progress.epoch, train_loss=nan, metrics=metrics, lr=nan,
        updates=0, seconds=0.0, images_per_second=0.0, stages={}, described=described(job.plan),
    )  # fmt: skip
