"""Epochs and reports as a run would leave them, made without a run."""

from pathlib import Path
from typing import Any

import numpy as np

from tlf.events import Audit, SegmentStarted
from tlf.metrics.evaluation import evaluation
from tlf.metrics.predicted import Predicted
from tlf.reports.report import Report, RunRecord
from tlf.results import EpochResult, StageSignals

FROZEN = StageSignals(0.0, 3.0, 0.0, 0.0)
TRAINS = StageSignals(0.5, 3.0, 0.01, 0.1)


def epoch(
    phase: str,
    number: int,
    loss: float = 0.5,
    eval_loss: float = 0.75,
    top1: float = 0.25,
    **more: Any,
) -> EpochResult:
    """An epoch with figures that floats hold exactly."""
    metrics = {"loss": eval_loss, "top1": top1}
    more = {"train_metrics": {"top1": 0.125}, **more}
    return EpochResult(phase, number, loss, metrics, 0.1, 4, 1.5, 160.0, **more)


def two_phases() -> tuple[EpochResult, ...]:
    """Two epochs of the head, and three in which the top stage trains, too."""
    head = {"stem": FROZEN, "layer1": FROZEN, "head": TRAINS}
    more = {"stem": FROZEN, "layer1": TRAINS, "head": TRAINS}
    return (
        *(epoch("head", n, 2.0 - n, 1.0, 0.5, stages=head) for n in range(2)),
        *(epoch("all", n, 0.5, 0.25, 0.75 + n / 16, stages=more) for n in range(3)),
    )


SEGMENTS = (
    SegmentStarted("head", 0, {"head.weight": 0.1}, "features", Audit(1234, 1)),
    SegmentStarted(
        "all", 1, {"head.weight": 0.1, "backbone.layer1.w": 0.01}, "images",
        Audit(56, 2, ("head.weight",)),
    ),
)  # fmt: skip
"""Something thaws in the second epoch of the second phase."""


def record(history: tuple[EpochResult, ...], **more: Any) -> RunRecord:
    """What a run has recorded."""
    given = {"segments": SEGMENTS, "provenance": {}, "recipe": "seed = 0", **more}
    best = max(history, key=lambda one: one.metrics["top1"])
    return RunRecord(history, best=best, folder=Path("runs/my run"), **given)


def predicted(images: int = 40, classes: tuple[str, ...] = ("ants", "bees")) -> Predicted:
    """Predictions that are right more often the surer they are."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, len(classes), images)
    logits = rng.normal(size=(images, len(classes)))
    logits[np.arange(images), labels] += 1
    powers = np.exp(logits)
    names = tuple(f"val/{n}.jpg" for n in range(images))
    return Predicted(names, labels, powers / powers.sum(1, keepdims=True), classes)


def report(run: RunRecord | None = None, of: Predicted | None = None, **more: Any) -> Report:
    """A report; of few resamples, since nobody reads its intervals."""
    of = of or predicted()
    return Report("my run", of, evaluation(of, resamples=20), run=run, **more)
