"""A lane of the page: a network and its settings, one step after the other.

Steps are made by the same code as in a run: ``freeze``, ``begin_segment`` and ``Updates``. What is
shown is what happened.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import isfinite

import torch
from torch import Tensor

from tlf.components import Optimizer
from tlf.data.loading import Batch, Share
from tlf.freezing.freeze import freeze
from tlf.model import normalisation_modules, restore_tensors
from tlf.recipe.schema import Phase
from tlf.simulator.observe import Moves, Outputs, copies, tensors_of
from tlf.simulator.records import Measured, StageRecord, Statistics, StepRecord
from tlf.simulator.settings import FROZEN, TRAINABLE, Settings
from tlf.training.features import eval_images, model_inputs, plain_batches, train_images
from tlf.training.job import Job
from tlf.training.segments.segment import Segment, begin_segment, segment_setup
from tlf.training.signals import parts
from tlf.training.step import Piece, Updates

SHOWN = 5
"""Classes of an image whose probabilities are recorded."""
OpenJob = Callable[[str, int], Job]
"""Weights and seed → a job of its own, with the images of the page."""


class Lane:
    """A network, its settings and its steps."""

    def __init__(
        self,
        open_job: OpenJob,
        phase: Phase,
        settings: Settings,
        partial: Mapping[str, frozenset[str]],
    ) -> None:
        """Open the network.

        Parameters:
            open_job: builds the network of these weights and this seed.
            phase: the phase of the recipe that settings take the place of.
            settings: what to begin with.
            partial: id of a preset → the parameters that it freezes.
        """
        self.settings = settings
        self.step = 0
        self._open_job, self._phase, self._partial = open_job, phase, partial
        self._open(settings)

    def _open(self, settings: Settings) -> None:
        self.job = self._open_job(settings.weights, settings.seed)
        self._start = copies(tensors_of(self.job.classifier))
        self._segment: Segment | None = None
        self._stale: Segment | None = None
        """The segment before these settings, whose optimizer's state is carried over."""

    def start(self) -> StepRecord:
        """The network before the first step of the settings."""
        everything = {n: t for own in self._start.values() for n, t in own.items()}
        restore_tensors(self.job.classifier, everything)
        self.step, self._segment, self._stale = 0, None, None
        rates = self._current_segment().rates
        stages = self._stages(rates, self._start, Outputs(self.job.classifier), Moves())
        return StepRecord(0, self.settings, None, None, None, stages, *self._measure())

    def change(self, settings: Settings) -> StepRecord | None:
        """Use other settings from the next step on.

        Returns:
            The network before its first step, where the settings begin anew; otherwise None.
        """
        old, self.settings = self.settings, settings
        if (old.weights, old.seed) != (settings.weights, settings.seed):
            self._open(settings)
            return self.start()
        kept = ("stages", "lr", "layer_decay", "optimizer", "batch")
        if any(getattr(old, name) != getattr(settings, name) for name in kept):
            same = old.optimizer == settings.optimizer
            self._stale = (self._segment or self._stale) if same else None
            self._segment = None
        return None

    def make_step(self) -> StepRecord:
        """Make a step: forward, backward and update."""
        job, segment = self.job, self._current_segment()
        self._set_modes(segment)
        before = copies(tensors_of(job.classifier))
        pieces = self._pieces(segment)
        updates = Updates(job, self._phase_of(self.settings), segment, 0, iter(pieces))
        moves = Moves()
        began = time.perf_counter()
        with Outputs(job.classifier) as outputs:
            made = updates.make(self.step, self.settings.batch, moves)  # type: ignore[arg-type]
        loss = float(made.loss) / made.images
        seconds = time.perf_counter() - began
        self.step += 1
        correct = sum(int(piece.sum()) for piece in made.correct) if made.correct else None
        stages = self._stages(segment.rates, before, outputs, moves)
        return StepRecord(
            self.step, self.settings, finite(loss), correct, seconds, stages, *self._measure(),
            broken=None if isfinite(loss) else f"the loss of step {self.step} is {loss}",
        )  # fmt: skip

    def frozen(self) -> frozenset[str]:
        """Names of the parameters that the settings freeze."""
        names: set[str] = set()
        for stage, own in parts(self.job.classifier).items():
            state = self.settings.stages[stage]
            if state == FROZEN:
                names.update(own)
            elif state != TRAINABLE:
                names.update(self._partial[state].intersection(own))
        return frozenset(names)

    def _phase_of(self, settings: Settings) -> Phase:
        return replace(
            self._phase, lr=settings.lr, lr_matching=None, layer_decay=settings.layer_decay,
            augment=(), ema=None, early_stopping=None, optimizer=self._optimizer(settings),
        )  # fmt: skip

    def _optimizer(self, settings: Settings) -> Optimizer:
        recipe = self.job.recipe
        offers = self.job.plan.plugins.catalogue
        own = self._phase.optimizer or recipe.optimizer
        if offers.offer(own).kind == settings.optimizer:
            return own
        chosen: Optimizer = offers.of("tlf_optimizers")[settings.optimizer].component()
        return chosen

    def _current_segment(self) -> Segment:
        if self._segment is None:
            job = self.job
            job.accelerator.free_memory()
            setup = segment_setup(job, self._phase_of(self.settings), self.frozen())
            # The whole network runs in every step, so that all of it can be watched.
            setup = replace(setup, image=None)
            self._segment = begin_segment(job.accelerator, job.classifier, setup, self._stale)
            self._stale = None
        return self._segment

    def _set_modes(self, segment: Segment) -> None:
        freeze(segment.classifier, segment.frozen)
        if self.settings.naive:
            segment.classifier.train()

    def _pieces(self, segment: Segment) -> list[Piece]:
        indices = range(self.settings.batch)
        phase = self._phase_of(self.settings)
        (batch,) = plain_batches(self.job, train_images(self.job, phase), [indices], None)
        return [(batch, Share([*indices], len(indices), last=True))]

    def _stages(
        self,
        rates: Mapping[str, float],
        before: Mapping[str, Mapping[str, Tensor]],
        outputs: Outputs,
        moves: Moves,
    ) -> dict[str, StageRecord]:
        classifier = self.job.classifier
        now, names = tensors_of(classifier), parts(classifier)
        statistics = {
            f"{name}.{key}"
            for name, module in normalisation_modules(classifier).items()
            for key, buffer in module.named_buffers(recurse=False)
            if buffer.is_floating_point()
        }
        found = {}
        for stage, own in names.items():
            trained = [name for name in own if name in rates]
            parameters = [(now[stage][n].detach(), before[stage][n]) for n in own]
            stats = [n for n in now[stage] if n in statistics]
            found[stage] = StageRecord(
                trains=sum(now[stage][name].numel() for name in trained),
                rate=max((rates[name] for name in trained), default=None),
                output=number(outputs.norms.get(stage)),
                flow=number(outputs.flows.get(stage)),
                gradient=number(moves.gradients.get(stage)),
                weights=_norm([t for t, _ in parameters]),
                update=_norm([t - b for t, b in parameters]) if trained else None,
                moved=sum(int((t != b).sum()) for t, b in parameters),
                unchanged=all(torch.equal(now[stage][n], before[stage][n]) for n in now[stage]),
                statistics=_statistics(now[stage], before[stage], self._start[stage], stats),
            )
        return found

    def _measure(self) -> tuple[Measured, Measured]:
        """The batch and the unseen images, classified in eval mode."""
        job = self.job
        job.classifier.eval()
        phase = self._phase_of(self.settings)
        splits = (
            (train_images(job, phase), range(self.settings.batch)),
            (eval_images(job), range(len(job.splits.eval))),
        )
        found = []
        for split, indices in splits:
            with torch.no_grad(), job.accelerator.autocast():
                (batch,) = plain_batches(job, split, [indices], None)
                images = model_inputs(job, self._current_segment(), batch)
                logits = job.classifier(images).float()
            found.append(_measured(job, logits, batch))
        return found[0], found[1]


def _measured(job: Job, logits: Tensor, batch: Batch) -> Measured:
    labels = batch.labels.to(logits.device)
    probabilities = job.task.probabilities(logits)
    return Measured(
        finite(float(job.losses(logits, labels).mean())),
        int(job.task.correct(logits, labels).sum()),
        tuple(
            _most_probable(row, int(label))
            for row, label in zip(probabilities.cpu(), labels.cpu(), strict=True)
        ),
    )


def _most_probable(row: Tensor, label: int) -> tuple[tuple[int, float], ...]:
    chosen = {*row.topk(min(SHOWN, len(row))).indices.tolist(), label}
    pairs = [(index, float(row[index])) for index in chosen]
    return tuple(sorted(pairs, key=lambda pair: -pair[1]))


def _statistics(
    now: Mapping[str, Tensor],
    before: Mapping[str, Tensor],
    start: Mapping[str, Tensor],
    names: Sequence[str],
) -> Statistics | None:
    if not names:
        return None
    drift = _norm([now[name] - start[name] for name in names])
    norm = _norm([start[name] for name in names])
    return Statistics(
        changed=not all(torch.equal(now[name], before[name]) for name in names),
        drift=None if drift is None or not norm else drift / norm,
    )


def _norm(tensors: Sequence[Tensor]) -> float | None:
    if not tensors:
        return 0.0
    return number(torch.stack([tensor.float().norm() for tensor in tensors]).norm())


def number(value: Tensor | None) -> float | None:
    """A number that the page can show: None where there is none, or where it is not finite."""
    return None if value is None else finite(float(value))


def finite(value: float) -> float | None:
    """The same number; None where it is not finite."""
    return value if isfinite(value) else None
