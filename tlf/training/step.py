"""The optimizer steps of an epoch, on any number of processes, with or without accumulation.

A batch is computed in ``accumulate`` pieces, and each piece is sharded over all processes. Every
process adds up the gradients of its shares, and the gradients of all processes are averaged after
the last piece. So the step is the same as one process would make with the whole batch.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import tee

import torch
from torch import Tensor, nn

from tlf.components import BatchAugmentation
from tlf.data.loading import Batch, Key, Share, deal
from tlf.recipe.schema import Phase
from tlf.runtime.ahead import sent
from tlf.runtime.devices import on_threads
from tlf.runtime.seeds import derive, seeded
from tlf.training.features import Activations, model_inputs, train_images
from tlf.training.job import Job
from tlf.training.loss_meter import Made
from tlf.training.phases import augmentations
from tlf.training.segments.segment import Segment
from tlf.training.signals import MeasuresUpdate

Piece = tuple[Batch, Share[Key]]
"""The images of a share, and how they count."""


def pieces_of(
    job: Job,
    phase: Phase,
    batches: Iterable[Sequence[Key]],
    view_number: int | None,
    stored: Activations | None,
    *,
    together: bool,
) -> Iterator[Piece]:
    """Load this process's shares of every batch, piece by piece.

    Parameters:
        job: the job.
        phase: the phase, whose augmentations are used.
        batches: the draws of each batch.
        view_number: the random view that all images have; None: each draw has its own.
        stored: the output of the frozen stages for the images, if it is stored.
        together: whether all processes have to compute every piece.
    """
    # Two iterators over one generator: the loader takes keys ahead, the shares follow.
    dealt, shares = tee(
        share
        for batch in batches
        for share in deal(
            batch,
            job.pieces,
            job.accelerator.process_index,
            job.accelerator.num_processes,
            together=together,
        )
    )
    keys = (
        share.images if view_number is None else [(view_number, i) for _, i in share.images]
        for share in dealt
    )
    loaded = (
        job.loaders.batches(train_images(job, phase), keys)
        if stored is None
        else stored.batches(keys)
    )
    return zip(loaded, shares, strict=True)


@dataclass(frozen=True)
class Updates:
    """The optimizer steps of an epoch, each on one batch over all processes."""

    job: Job
    phase: Phase
    segment: Segment
    run_epoch: int
    """Index of the epoch in the run. Random numbers are drawn from it and the update's number."""
    pieces: Iterator[Piece]
    """This process's shares of the remaining batches."""

    def make(self, number: int, size: int, signals: MeasuresUpdate | None) -> Made:
        """Make one optimizer step on the next batch.

        Parameters:
            number: the number of the update in its epoch.
            size: the number of images in the batch, over all processes.
            signals: measures this update; None for one that is not measured.
        """
        accelerator, segment = self.job.accelerator, self.segment
        losses: list[Tensor] = []
        extremes: list[Tensor] = []
        correct: list[Tensor] = []
        counted = 0
        for piece, (batch, share) in enumerate(self.pieces):
            self._seed(number, piece)
            images, labels = self._inputs(batch, number)
            # Processes average their gradients once, after the last piece.
            syncing = nullcontext() if share.last else accelerator.no_sync(segment.model)
            with on_threads(segment.threads), syncing, segment.norms.computing(share.count):
                loss, found, hits = self._loss(images, labels)
                # Every image of a batch weighs 1 / size, whatever piece it is in: ``loss`` is the
                # mean of its share. The wrapper averages over processes; their number undoes that.
                self._backward(loss, share.count * accelerator.num_processes / size)
            if share.count:
                losses.append(loss.detach() * share.count)
                extremes += found
                correct += hits
                counted += share.count
            if share.last:
                break
        with on_threads(segment.threads):
            skipped = self._step(signals)
        total = sum(losses[1:], losses[0]) if losses else torch.zeros((), device=accelerator.device)
        return Made(total, tuple(extremes), counted, tuple(correct), skipped)

    def _seed(self, number: int, piece: int) -> None:
        """Seed dropout from (seed, epoch, update, process, piece), so that no generator's state has
        to be stored. A loader also draws when it starts, so this is called after it.
        """
        device, rank = self.job.accelerator.device, self.job.accelerator.process_index
        seed = derive(self.job.recipe.seed, "update", self.run_epoch, number, rank, piece)
        # torch.manual_seed would also record the call stack for devices that are not in use.
        torch.default_generator.manual_seed(seed)
        if device.type != "cpu":
            torch.get_device_module(device).manual_seed(seed)

    def _backward(self, loss: Tensor, weight: float) -> None:
        # A head that trains on stored features waits for the host alone: nothing is multiplied by
        # one. Accelerate's own backward would divide by one first.
        weighted = loss if weight == 1 else loss * weight
        scaler = self.job.accelerator.scaler
        (weighted if scaler is None else scaler.scale(weighted)).backward()

    def _step(self, signals: MeasuresUpdate | None) -> bool:
        """Step the optimizer, unless gradients have overflowed in fp16; whether it was skipped."""
        accelerator, segment = self.job.accelerator, self.segment
        max_norm = self.job.recipe.clip_grad_norm
        if signals is not None or max_norm is not None:
            accelerator.unscale_gradients(segment.optimizer)
        if signals is not None:
            signals.before(segment.classifier, segment.rates, segment.frozen_norms)
        if max_norm is not None:
            nn.utils.clip_grad_norm_(segment.classifier.parameters(), max_norm)
        scales = segment.optimizer.scaler is not None
        # Without a scale, Accelerate's own step only looks twice for an optimizer's package.
        (segment.optimizer if scales else segment.optimizer.optimizer).step()
        skipped = scales and bool(segment.optimizer.step_was_skipped)
        if signals is not None and not skipped:
            signals.after(segment.classifier)
        # Accelerate's own zero_grad would inspect the signature of this one at every call.
        segment.optimizer.optimizer.zero_grad(set_to_none=True)
        return skipped

    def _inputs(self, batch: Batch, number: int) -> tuple[Tensor, Tensor]:
        """The input of the trainable part for a piece of a batch, and the labels."""
        images = model_inputs(self.job, self.segment, batch)
        labels = sent(batch.labels, self.job.accelerator.device)
        return self._mixed(images, labels, number) if self._mixing else (images, labels)

    def _loss(self, images: Tensor, labels: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """The mean loss of a piece of a batch, its lowest and highest logit, and whether its images
        are classified correctly, as far as this is known.
        """
        job, model = self.job, self.segment.model
        replaced: Tensor | None = job.hook.tlf_training_step(
            model=model, images=images, labels=labels, loss=job.loss
        )
        if replaced is not None:
            return replaced, [], []
        logits = model(images)
        seen = logits.detach()
        # Mixed images have no label to compare with.
        correct = [] if self._mixing else [job.task.correct(seen, labels)]
        return job.losses(logits, labels).mean(), [*seen.aminmax()], correct

    @cached_property
    def _mixing(self) -> tuple[BatchAugmentation, ...]:
        every = augmentations(self.job.plan, self.phase)
        return tuple(a for a in every if isinstance(a, BatchAugmentation))

    def _mixed(self, images: Tensor, labels: Tensor, number: int) -> tuple[Tensor, Tensor]:
        """Mix images and labels. All pieces and processes use the same seeds, so they mix alike."""
        purpose: list[int | str] = ["mix", self.run_epoch, number]
        labels = self.job.task.targets(labels, len(self.job.splits.classes)).to(images.dtype)
        for mixing in self._mixing:
            with seeded(self.job.recipe.seed, *purpose):
                images, labels = mixing.mix(images, labels)
            purpose.append("next")  # drawn from the same seed, two would mix with equal weights
        return images, labels
