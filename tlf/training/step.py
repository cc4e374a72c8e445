"""The optimizer steps of an epoch, however many processes and pieces a batch is dealt to."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import tee

import torch
from torch import Tensor, nn

from tlf.components import BatchAugmentation
from tlf.data.loading import Batch, batches_of, shard
from tlf.recipe.schema import Phase
from tlf.runtime.devices import on_threads
from tlf.runtime.seeds import derive
from tlf.training.features import Activations, model_inputs, train_images
from tlf.training.job import Job
from tlf.training.phases import augmentations
from tlf.training.segment import Segment
from tlf.training.signals import Signals

Piece = tuple[Batch, int]
"""A piece of a batch, and how many of its images count."""


def pieces_of(
    job: Job,
    phase: Phase,
    batches: Iterable[Sequence[int]],
    shown: int,
    stored: Activations | None,
) -> Iterator[Piece]:
    """Load this process's share of every batch, piece by piece.

    Parameters:
        job: the run.
        phase: what is trained.
        batches: indices of the images of each batch.
        shown: which view of the images is drawn.
        stored: what the frozen stages make of the images, if it is stored.
    """
    ours, counted = tee(_shares(job, batches))
    keys = ([(shown, i) for i in share] for share, _ in ours)
    pin = job.accelerator.device.type == "cuda"
    loaded = (
        batches_of(train_images(job, phase), keys, job.workers, pin=pin)
        if stored is None
        else stored.batches(keys)
    )
    return ((batch, real) for batch, (_, real) in zip(loaded, counted, strict=True))


def _shares(job: Job, batches: Iterable[Sequence[int]]) -> Iterator[tuple[list[int], int]]:
    """Deal batches: this process's share of each, piece by piece, and how many of it count."""
    accumulate = job.recipe.accumulate
    first = job.accelerator.process_index * accumulate
    shares = job.accelerator.num_processes * accumulate
    for batch in batches:
        for piece in range(first, first + accumulate):
            share = shard(batch, piece, shares)
            # A batch smaller than the shares leaves some empty. Their owners take part in the
            # update with an image that does not count, or the others would wait for their
            # gradients for ever.
            yield share or [batch[0]], len(share)


@dataclass(frozen=True)
class Updates:
    """The optimizer steps of an epoch, each over one batch, all processes together."""

    job: Job
    phase: Phase
    segment: Segment
    run_epoch: int
    """What randomness is drawn from, with the number of the update."""
    pieces: Iterator[Piece]
    """This process's shares of the batches that are left."""

    def make(self, number: int, size: int, signals: Signals | None) -> Tensor:
        """Make one optimizer step over the next batch, of ``size`` images.

        Parameters:
            number: of the update in its epoch.
            size: images that all processes train on.
            signals: takes a look at this update.

        Returns:
            The sum of this process's losses.
        """
        accelerator, segment = self.job.accelerator, self.segment
        total = torch.zeros((), device=accelerator.device)
        for piece in range(self.job.recipe.accumulate):
            batch, real = next(self.pieces)
            self._seed(number, piece)
            images, labels = self._given(batch, number)
            last = piece == self.job.recipe.accumulate - 1
            alone = nullcontext() if last else accelerator.no_sync(segment.model)
            with on_threads(segment.threads), alone:
                loss = self._loss(images, labels)
                # Each image weighs 1 / size, in the last, smaller batch too. The wrapper averages
                # over processes, which their number undoes.
                accelerator.backward(loss * (real * accelerator.num_processes / size))
            total += loss.detach() * real
        with on_threads(segment.threads):
            self._step(signals)
        return total

    def _seed(self, number: int, piece: int) -> None:
        """Dropout draws from (seed, epoch, update, process, piece), so that no generator has to be
        stored. Loading draws, too, when it begins: the seed is set after it.
        """
        device, rank = self.job.accelerator.device, self.job.accelerator.process_index
        seed = derive(self.job.recipe.seed, "update", self.run_epoch, number, rank, piece)
        # torch.manual_seed also notes the call stack for devices that are not in use.
        torch.default_generator.manual_seed(seed)
        if device.type != "cpu":
            torch.get_device_module(device).manual_seed(seed)

    def _step(self, signals: Signals | None) -> None:
        accelerator, segment = self.job.accelerator, self.segment
        longest = self.job.recipe.clip_grad_norm
        if signals is not None or longest is not None:
            accelerator.unscale_gradients(segment.optimizer)
        if signals is not None:
            signals.before(segment.classifier, segment.rates, segment.still)
        if longest is not None:
            nn.utils.clip_grad_norm_(segment.classifier.parameters(), longest)
        segment.optimizer.step()
        if signals is not None:
            signals.after(segment.classifier)
        # Accelerate's own zero_grad looks at the signature of this one first, every time.
        segment.optimizer.optimizer.zero_grad(set_to_none=True)

    def _given(self, batch: Batch, number: int) -> tuple[Tensor, Tensor]:
        """What the trainable part is given for a piece of a batch, and the labels."""
        images = model_inputs(self.job, self.segment, batch)
        labels = batch.labels.to(self.job.accelerator.device, non_blocking=True)
        return self._mixed(images, labels, number) if self._mixing else (images, labels)

    def _loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """The mean loss of a piece of a batch."""
        job, model = self.job, self.segment.model
        replaced: Tensor | None = job.hook.tlf_training_step(
            model=model, images=images, labels=labels, loss=job.loss
        )
        return job.loss(model(images), labels).mean() if replaced is None else replaced

    @cached_property
    def _mixing(self) -> tuple[BatchAugmentation, ...]:
        every = augmentations(self.job.plan, self.phase)
        return tuple(a for a in every if isinstance(a, BatchAugmentation))

    def _mixed(self, images: Tensor, labels: Tensor, number: int) -> tuple[Tensor, Tensor]:
        """Every process and piece mixes alike: the same seed, whichever its share is."""
        seed = derive(self.job.recipe.seed, "mix", self.run_epoch, number)
        labels = self.job.task.targets(labels, len(self.job.splits.classes)).to(images.dtype)
        for mixing in self._mixing:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                images, labels = mixing.mix(images, labels)
        return images, labels
