"""The range test of a phase: its loss, step by step, while its learning rate rises.

Steps are those of a run, with its batches, augmentations and freezing. Weights, statistics and the
optimizer are afterwards as they were, bit for bit.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from itertools import count
from math import isfinite

import torch

from tlf.data.loading import make_batches, order
from tlf.errors import NotFiniteError
from tlf.events import Prepared
from tlf.freezing.freeze import changing_tensors, freeze
from tlf.model import restore_tensors, trains_batchnorm
from tlf.recipe.schema import Phase
from tlf.studies.learning_rate.found import RangeTest
from tlf.studies.learning_rate.grid import Limits, at_rate, recipe_lines, short, spaced
from tlf.studies.learning_rate.valley import exploded, find_valley, smooth
from tlf.training.best_epoch import copies
from tlf.training.epoch import write_rates
from tlf.training.features import Events, train_activations, view
from tlf.training.job import Job
from tlf.training.segments.segment import Segment
from tlf.training.step import Updates, pieces_of

STEPS = 100
LIMITS = Limits(1e-7, 10.0)
"""Where the rate begins and ends, where none are given."""


def range_test(
    job: Job,
    phase: Phase,
    segment: Segment,
    between: Limits = LIMITS,
    trained_before: Sequence[str] = (),
) -> Generator[Events, None, RangeTest]:
    """Let the learning rate of a phase rise over ``STEPS`` steps, and see where the loss falls.

    Parameters:
        job: the job, with its loaders open.
        phase: the phase.
        segment: what trains in it.
        between: the first and the last rate.
        trained_before: earlier phases that the head was trained in.

    Raises:
        NotFiniteError: the first loss is no finite number.
    """
    own, rates = max(segment.rates.values()), spaced(between, STEPS)
    losses: list[float] = []
    with _unchanged(segment):
        for loss in _losses(job, phase, segment, [rate / own for rate in rates]):
            if not isinstance(loss, float):
                yield loss
                continue
            losses.append(loss)
            done = len(losses) * job.recipe.batch_size
            yield Prepared(f"range test of {phase.name}", done, STEPS * job.recipe.batch_size)
            if exploded(losses):
                break
    if not isfinite(losses[0]):
        raise NotFiniteError(
            f"the loss of the first step must be finite, got {losses[0]} in phase {phase.name}; "
            'write other weights, another loss, or precision = "no"'
        )
    return _found(phase, own, rates, losses, trained_before)


def _found(
    phase: Phase,
    own: float,
    rates: Sequence[float],
    losses: Sequence[float],
    trained_before: Sequence[str],
) -> RangeTest:
    broke_off = exploded(losses)
    kept = losses if isfinite(losses[-1]) else losses[:-1]
    valley = find_valley(kept)
    suggestion = None if valley is None else short(rates[valley.middle])
    return RangeTest(
        phase=phase.name,
        own=own,
        rates=tuple(rates[: len(kept)]),
        losses=tuple(kept),
        smoothed=tuple(smooth(kept)),
        valley=None if valley is None else (rates[valley.first], rates[valley.last]),
        suggestion=suggestion,
        exploded=rates[len(losses) - 1] if broke_off else None,
        trained_before=tuple(trained_before),
        lines=() if suggestion is None else recipe_lines(at_rate(phase, own, suggestion)),
    )


def _losses(
    job: Job, phase: Phase, segment: Segment, factors: Sequence[float]
) -> Iterator[Events | float]:
    """The mean loss of each step before its update; epochs follow each other as in a run.

    ``factors``: what the recipe's rates are multiplied by in each step.
    """
    step = 0
    for epoch in count():
        stored = yield from train_activations(job, phase, segment, epoch)
        freeze(segment.classifier, segment.frozen, segment.modes)
        batches = _batches(job, segment, epoch)[: len(factors) - step]
        together = segment.norms.synchronised
        number_of_view = view(job, phase, segment, epoch)
        pieces = pieces_of(job, phase, batches, number_of_view, stored, together=together)
        updates = Updates(job, phase, segment, epoch, pieces)
        for number, batch in enumerate(batches):
            write_rates(segment.optimizer, factors[step])
            made = updates.make(number, len(batch), None)
            step += 1
            yield float(made.loss) / made.images
        if step == len(factors):
            return


def _batches(job: Job, segment: Segment, epoch: int) -> Sequence[list[int]]:
    every = order(job.recipe.seed, epoch, len(job.splits.train))
    kept = [index for index in every if index not in job.held_out]
    return make_batches(kept, job.recipe.batch_size, lone=not trains_batchnorm(segment.classifier))


@contextmanager
def _unchanged(segment: Segment) -> Iterator[None]:
    """Leave the weights, the statistics, the optimizer and torch's generator as they are."""
    classifier, optimizer = segment.classifier, segment.optimizer
    freeze(classifier, segment.frozen)
    tensors = copies(classifier, changing_tensors(classifier, segment.frozen))
    state = deepcopy(optimizer.state_dict())
    scaler = optimizer.scaler
    scale = None if scaler is None else scaler.state_dict()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        restore_tensors(classifier, tensors)
        optimizer.load_state_dict(state)
        optimizer.zero_grad()
        if scaler is not None:
            scaler.load_state_dict(scale)
