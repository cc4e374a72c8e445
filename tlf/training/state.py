"""What a run has reached, from one update to the next."""

from dataclasses import dataclass, field

from tlf.model import Classifier
from tlf.results import EpochResult, SegmentStarted
from tlf.training.best_epoch import BestEpoch, copied
from tlf.training.ema import Ema
from tlf.training.loss_meter import LossMeter
from tlf.training.segment import Segment
from tlf.training.signals import Signals


@dataclass
class State:
    """What a run has reached, besides the tensors of its model."""

    history: list[EpochResult] = field(default_factory=list)
    segments: list[SegmentStarted] = field(default_factory=list)
    """Every segment that has begun, with its learning rates."""
    best: BestEpoch | None = None
    """The best epoch of the phases that are over."""
    phase: int = 0
    """Position of the phase in the recipe."""
    phase_best: BestEpoch | None = None
    """The best epoch of this phase."""
    epoch: int = 0
    """Position of the epoch in its phase."""
    update: int = 0
    """Updates of this epoch that are done."""
    losses: LossMeter | None = None
    """Of this epoch."""
    signals: Signals = field(default_factory=Signals)
    """Of this epoch."""
    segment: Segment | None = None
    average: Ema | None = None
    changed: set[str] = field(default_factory=set)
    """Names of the tensors of the model that may differ from what was loaded."""

    def let_change(self, classifier: Classifier, names: set[str]) -> None:
        """Note what may change from now on. It is as it was loaded still, and as it was in the best
        epochs so far, which did not have to keep it.
        """
        kept = [best for best in (self.best, self.phase_best) if best is not None]
        loaded = copied(classifier, names - self.changed) if kept else {}
        for best in kept:
            best.tensors.update(loaded)
        self.changed |= names
