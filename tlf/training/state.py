"""The state of a run: with the same state and model, training continues bit for bit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tlf.events import SegmentStarted
from tlf.model import Classifier
from tlf.results import EpochResult
from tlf.training.best_epoch import BestEpoch, better, copies
from tlf.training.ema import Ema
from tlf.training.loss_meter import LossMeter
from tlf.training.segments.segment import Segment
from tlf.training.signals import Signals


@dataclass
class State:
    """How far a run has come, without the tensors of its model."""

    history: list[EpochResult] = field(default_factory=list)
    segments: list[SegmentStarted] = field(default_factory=list)
    """Every segment that has started, with its learning rates."""
    best: BestEpoch | None = None
    """The best epoch of the finished phases."""
    start: BestEpoch | None = None
    """The epoch that this phase starts from: the best of the phase before it."""
    phase: int = 0
    """Index of the phase in the recipe."""
    phase_best: BestEpoch | None = None
    """The best epoch of this phase so far."""
    epoch: int = 0
    """Index of the epoch in its phase."""
    update: int = 0
    """Updates of this epoch that are made."""
    skipped: int = 0
    """How many of them moved nothing, because gradients overflowed in fp16."""
    losses: LossMeter | None = None
    """Of this epoch."""
    signals: Signals = field(default_factory=Signals)
    """Of this epoch."""
    segment: Segment | None = None
    last: Segment | None = None
    """The last one that has ended, if it has trained the head alone: what it stores is of use."""
    ema: Ema | None = None
    ended: bool = False
    """Whether the last phase has trained and evaluated its last epoch."""
    cut_short: bool = False
    """Whether this epoch is evaluated after the updates that are made, and is the last one."""
    changed: set[str] = field(default_factory=set)
    """Names of the model's tensors that may differ from the loaded weights."""

    about: Mapping[str, Any] = field(default_factory=dict)
    """What a reader of the stored state needs to know to use the best epoch's model, as JSON."""
    notes: list[str] = field(default_factory=list)
    """What of a stored state could not be used, because the recipe or the images have changed."""

    def begin_epoch(self, phase: int, epoch: int) -> None:
        """Stand at the beginning of an epoch."""
        self.phase, self.epoch, self.update, self.skipped = phase, epoch, 0, 0
        self.losses, self.signals = None, Signals()

    def best_so_far(self, monitor: str) -> BestEpoch | None:
        """The best epoch of all phases, this one included; None before the first evaluation."""
        before, now = self.best, self.phase_best
        if before is None or now is None:
            return now or before
        return now if better(monitor, now.result, before.result) else before

    def go_back(self, phase: str) -> None:
        """Stand where the best epoch of this phase has ended, or at its start if there is none. The
        optimizer starts anew.
        """
        best = None if self.phase_best is None else self.phase_best.result
        kept = (r for r in self.history if r.phase != phase or (best and r.epoch <= best.epoch))
        self.history = [*kept]
        self.begin_epoch(self.phase, best.epoch + 1 if best else 0)
        self.segment = self.ema = None

    def let_change(self, classifier: Classifier, names: set[str]) -> None:
        """Note that these tensors may change from now on.

        Until now they are as they were loaded, so the best epochs hold no copy of them. They get
        one here, before the first change.
        """
        every = (self.best, self.start, self.phase_best)
        best_epochs = [best for best in every if best is not None]
        loaded = copies(classifier, names - self.changed) if best_epochs else {}
        for best in best_epochs:
            best.tensors.update(loaded)
        self.changed |= names
