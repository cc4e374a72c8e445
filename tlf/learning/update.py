"""One optimizer step over one batch, however many processes and pieces it is dealt to."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from tlf.chain import Activations, model_inputs, train_pictures
from tlf.components import BatchAugmentation
from tlf.data import Batch, batches_of, deal
from tlf.job import Job, augmentations
from tlf.learning.signals import Signals
from tlf.phases import Segment
from tlf.recipe import Phase
from tlf.seeds import derive

Piece = tuple[Batch, int]
"""A piece of a batch, and how many of its pictures count."""


def pieces_of(
    job: Job,
    phase: Phase,
    batches: Sequence[Sequence[int]],
    shown: int,
    stored: Activations | None,
) -> Iterator[Piece]:
    """Load this process's share of every batch, piece by piece.

    Parameters:
        job: the run.
        phase: what is trained.
        batches: indices of the pictures of each batch.
        shown: which view of the pictures is drawn.
        stored: what the frozen stages make of the pictures, if it is stored.
    """
    recipe, accelerator = job.recipe, job.accelerator
    first = accelerator.process_index * recipe.accumulate
    shares = accelerator.num_processes * recipe.accumulate
    mine = [deal(b, first + i, shares) for b in batches for i in range(recipe.accumulate)]
    # A batch smaller than the shares leaves some empty. Their owners take part in the update with a
    # picture that does not count, or the others would wait for their gradients for ever.
    keys = [
        [(shown, i) for i in share or batches[n // recipe.accumulate][:1]]
        for n, share in enumerate(mine)
    ]
    pin = accelerator.device.type == "cuda"
    loaded = (
        batches_of(train_pictures(job, phase), keys, job.workers, pin=pin)
        if stored is None
        else stored.batches(keys)
    )
    return ((batch, len(share)) for batch, share in zip(loaded, mine, strict=True))


def update(
    job: Job,
    phase: Phase,
    segment: Segment,
    pieces: Iterator[Piece],
    size: int,
    where: tuple[int, int],
    signals: Signals | None,
) -> Tensor:
    """Make one optimizer step over a batch of ``size`` pictures, all processes together.

    ``where`` is the epoch of the run and the update in it: what randomness is drawn from.
    ``signals`` takes a look at this update.

    Returns:
        The sum of this process's losses.
    """
    accelerator = job.accelerator
    total = torch.zeros((), device=accelerator.device)
    for piece in range(job.recipe.accumulate):
        batch, real = next(pieces)
        # Dropout draws from (seed, epoch, update, process, piece), so that no generator has to be
        # stored. Loading draws, too, when it begins: the seed is set after it.
        rank = accelerator.process_index
        _seed_model(accelerator.device, derive(job.recipe.seed, "update", *where, rank, piece))
        last = piece == job.recipe.accumulate - 1
        with nullcontext() if last else accelerator.no_sync(segment.model):
            loss = _loss(job, phase, segment, batch, where)
            # Each picture weighs 1 / size, in the last, smaller batch too. The wrapper averages
            # over processes, which their number undoes.
            accelerator.backward(loss * (real * accelerator.num_processes / size))
        total += loss.detach() * real
    longest = job.recipe.clip_grad_norm
    if signals is not None or longest is not None:
        accelerator.unscale_gradients(segment.optimizer)
    if signals is not None:
        signals.before(segment.classifier, segment.rates, segment.still)
    if longest is not None:
        nn.utils.clip_grad_norm_(segment.classifier.parameters(), longest)
    segment.optimizer.step()
    if signals is not None:
        signals.after(segment.classifier)
    segment.optimizer.zero_grad(set_to_none=True)
    return total


def _seed_model(device: torch.device, seed: int) -> None:
    # torch.manual_seed also notes the call stack for devices that are not in use.
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)


def _loss(job: Job, phase: Phase, segment: Segment, batch: Batch, where: tuple[int, int]) -> Tensor:
    """The mean loss of a piece of a batch."""
    model = segment.model
    images = model_inputs(job, segment, batch)
    labels = batch.labels.to(job.accelerator.device, non_blocking=True)
    for mixing in (a for a in augmentations(job.plan, phase) if isinstance(a, BatchAugmentation)):
        if labels.ndim == 1:
            classes = len(job.splits.classes)
            labels = nn.functional.one_hot(labels, classes).to(images.dtype)
        # Every process and piece mixes alike: the same seed, whichever its share of the batch is.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(derive(job.recipe.seed, "mix", *where))
            images, labels = mixing.mix(images, labels)
    replaced: Tensor | None = job.hook.tlf_training_step(
        model=model, images=images, labels=labels, loss=job.loss
    )
    return job.loss(model(images), labels).mean() if replaced is None else replaced
