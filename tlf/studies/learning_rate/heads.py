"""Learning rates of a phase that trains the head alone: heads judged on images that they have not
seen.
"""

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tlf.checks.probe import FOLDS
from tlf.data.loading import EVAL_BATCH, make_batches
from tlf.errors import NotFiniteError
from tlf.events import Prepared
from tlf.metrics.paired import joint_level, over_splits
from tlf.plugins.attribution import blame
from tlf.recipe.schema import Phase
from tlf.runtime.seeds import seeded
from tlf.studies.judged import Judged, held_out_accuracy
from tlf.studies.learning_rate.deals import Deal, Outcome, Outcomes, deals_of
from tlf.studies.learning_rate.found import HeadRates, MeasuredRate, alike
from tlf.studies.learning_rate.grid import at_rate, recipe_lines
from tlf.studies.learning_rate.one_by_one import after_one_by_one, train_one_by_one
from tlf.studies.learning_rate.stacked import Heads, after_at_once, stacks, train_at_once
from tlf.studies.linear_probe import check_finite
from tlf.training.features import (
    Events,
    model_inputs,
    plain_batches,
    train_activations,
    train_images,
)
from tlf.training.job import Job
from tlf.training.segments.segment import Segment

if TYPE_CHECKING:
    from numpy.typing import NDArray


def open_heads(
    job: Job,
    phase: Phase,
    segment: Segment,
    seeds: Sequence[int],
    trained: Mapping[int, Mapping[str, Tensor]] | None = None,
) -> Generator[Events, None, Heads]:
    """Compute what the head gets for each train image, and a new head for each seed.

    Parameters:
        job: the job, with its loaders open.
        phase: the phase.
        segment: what trains in it.
        seeds: of the heads.
        trained: what earlier phases have made of the head of each deal.

    Raises:
        NotFiniteError: the backbone gives no finite numbers.
    """
    features = yield from _features(job, phase, segment)
    check_finite("the backbone", features.float().cpu().numpy())
    labels = job.labels["train"].to(job.accelerator.device)
    starts = {seed: _new_head(job, seed) for seed in seeds}
    return Heads(job, phase, segment, features, labels, starts, trained or {})


@torch.inference_mode()
def _features(job: Job, phase: Phase, segment: Segment) -> Generator[Events, None, Tensor]:
    stored = yield from train_activations(job, phase, segment, 0)
    images = train_images(job, phase)
    count, rows = len(images.labels), []
    segment.classifier.eval()
    batches = make_batches(range(count), EVAL_BATCH)
    for batch in plain_batches(job, images, batches, stored):
        rows.append(model_inputs(job, segment, batch))
        if stored is None:
            yield Prepared(f"features of {count} train images", len(rows), len(batches))
    return torch.cat(rows)


def _new_head(job: Job, seed: int) -> dict[str, Tensor]:
    """The tensors that a run with a seed begins with."""
    head = job.classifier.head
    if job.recipe.start_from is None and seed != job.recipe.seed:
        offer = job.plan.plugins.catalogue.offer(job.recipe.head)
        with seeded(seed, "head"), blame(offer, "build"):
            head = job.recipe.head.build(job.built.num_features, len(job.splits.classes))
    device = job.accelerator.device
    return {
        name: tensor.detach().to(device, copy=True) for name, tensor in head.state_dict().items()
    }


def heads_after(
    heads: Heads, judged: Judged
) -> Generator[Events, None, Mapping[int, Mapping[str, Tensor]] | None]:
    """Train the head of each deal in the phase at the recipe's rates, without the images that judge
    it. None where the training of one broke off.
    """
    deals = deals_of(judged, [*heads.starts])
    train = after_at_once if stacks(heads.job, heads.phase) else after_one_by_one
    found = yield from train(heads, deals)
    tensors = (tensor for head in found.values() for tensor in head.values())
    sound = len(found) == len(deals) and all(bool(each.isfinite().all()) for each in tensors)
    return found if sound else None


def measure_heads(
    heads: Heads, judged: Judged, own: float, rates: Sequence[float]
) -> Generator[Events, None, HeadRates]:
    """Train heads at each rate with each seed on each fold, and compare them.

    Parameters:
        heads: what they are trained on.
        judged: the images that judge them, dealt once for each seed.
        own: the recipe's rate, one of ``rates``.
        rates: the rates, the lowest first.

    Raises:
        NotFiniteError: training breaks off at each rate.
    """
    at_once = stacks(heads.job, heads.phase)
    train = train_at_once if at_once else train_one_by_one
    deals = deals_of(judged, [*heads.starts])
    right, losses = yield from _collected(train(heads, deals, own, rates), judged, rates)
    sound = np.isfinite(losses.sum(1))
    if not sound.any():
        raise NotFiniteError(
            f"the loss must be finite at one of the rates, got others at all of them, from "
            f"{rates[0]:g} to {rates[-1]:g}, in phase {heads.phase.name}; write lower --rates"
        )
    order = [n for n in range(len(rates)) if sound[n]]
    best = max(order, key=lambda n: (right[n].mean(), -losses[n].mean()))
    level = joint_level(len(order))
    measured = [
        _measured(rates[n], right[n], losses[n], None if n == best else right[best], judged, level)
        if sound[n]
        else MeasuredRate(rates[n], None)
        for n in range(len(rates))
    ]
    suggestion = min(alike(measured, rates[best]), key=lambda one: one.loss or 0.0).rate
    return HeadRates(
        phase=heads.phase.name,
        own=own,
        rates=tuple(measured),
        best=rates[best],
        suggestion=suggestion,
        images=len(judged.images),
        epochs=heads.phase.epochs,
        seeds=tuple(heads.starts),
        folds=FOLDS,
        level=level,
        at_once=at_once,
        lines=recipe_lines(at_rate(heads.phase, own, suggestion)),
        metric=judged.task.metrics[0],
    )


def _collected(
    outcomes: Outcomes, judged: Judged, rates: Sequence[float]
) -> "Generator[Events, None, tuple[NDArray[np.float64], NDArray[np.float64]]]":
    """What each image counted for each head (R, seeds, N), and its loss (R, folds of all
    seeds).
    """
    seeds, images = judged.folds.shape
    right = np.zeros((len(rates), seeds, images))
    losses = np.empty((len(rates), seeds * FOLDS))
    place = {image: position for position, image in enumerate(judged.images.tolist())}
    for event in outcomes:
        if isinstance(event, Outcome):
            deal: Deal = event.deal
            held_out = [place[image] for image in deal.held_out]
            right[event.rate, deal.number // FOLDS, held_out] = event.per_image
            losses[event.rate, deal.number] = event.loss
        else:
            yield event
    return right, losses


def _measured(
    rate: float,
    right: "NDArray[np.float64]",
    losses: "NDArray[np.float64]",
    best: "NDArray[np.float64] | None",
    judged: Judged,
    level: float,
) -> MeasuredRate:
    dealt = judged.folds, judged.groups
    return MeasuredRate(
        rate,
        held_out_accuracy(right, *dealt),
        tuple(right.mean(1).tolist()),
        float(losses.mean()),
        None if best is None else over_splits(best, right, *dealt, level=level),
    )
