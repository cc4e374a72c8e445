"""Surgical fine-tuning: train one chosen block of the backbone, and the head.

Source: Lee et al. 2023, arXiv:2210.11466.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tlf.hookspecs import hookimpl
from tlf.model import Classifier
from tlf.results import EpochResult, Progress


@dataclass(frozen=True)
class Block:
    """Train one stage and the head; everything else stands still."""

    stage: str
    """Its name, such as ``layer1``. Early ones suit changed colours and noise, late ones changed
    classes."""

    def frozen(self, model: Classifier, progress: Progress) -> list[str]:
        """Names of the backbone's other parameters.

        Raises:
            ValueError: the backbone has no such stage.
        """
        chosen = {*model.stage(self.stage)}
        return [name for name in model.backbone_names if name not in chosen]


@dataclass(frozen=True)
class Relative:
    """Everything trains for a while; then only the stages go on, with the head, whose gradients
    were longest relative to their weights.

    The paper's Auto-RGN scales every layer's learning rate by that figure; here it chooses.
    """

    stages: int = 1
    """How many stages go on."""
    probe: int = 1
    """Epochs in which everything trains, and gradients are looked at."""

    def __post_init__(self) -> None:
        """Check the options."""
        for name, value in {"stages": self.stages, "probe": self.probe}.items():
            if value < 1:
                raise ValueError(f"{name} is a whole number from 1 on, not {value}")

    def frozen(self, model: Classifier, progress: Progress) -> list[str]:
        """Names of the stages that were not chosen; none while everything trains.

        Raises:
            ValueError: the epochs that are over have no figures of these stages.
        """
        if progress.epoch < self.probe:
            return []
        figures = [relative_gradients(r) for r in progress.history[: self.probe]]
        if not figures or any(stage not in seen for seen in figures for stage in model.stages):
            raise ValueError("the epochs before have no gradients of this backbone's stages")
        means = {stage: sum(seen[stage] for seen in figures) for stage in model.stages}
        chosen = sorted(means, key=lambda stage: -means[stage])[: self.stages]
        return [n for stage in model.stages if stage not in chosen for n in model.stage(stage)]


@dataclass(frozen=True)
class Report:
    """Write a line for each stage and epoch: how long its gradient was, relative to its weights."""

    file: str = "relative_gradients.csv"
    """Where to. A file that is there is added to."""

    @hookimpl
    def tlf_phase_started(self, phase: str) -> None:
        """Make sure that the file can be written before anything is trained.

        Raises:
            ValueError: it cannot.
        """
        try:
            with Path(self.file).open("a", newline="", encoding="utf-8") as file:
                if file.tell() == 0:
                    csv.writer(file).writerow(["phase", "epoch", "stage", "relative_gradient"])
        except OSError as error:
            raise ValueError(f"file = {self.file!r} cannot be written: {error.strerror}") from error

    @hookimpl
    def tlf_epoch_ended(self, result: EpochResult) -> None:
        """Add the lines of an epoch."""
        with Path(self.file).open("a", newline="", encoding="utf-8") as file:
            for stage, figure in relative_gradients(result).items():
                csv.writer(file).writerow([result.phase, result.epoch, stage, f"{figure:.6g}"])


def relative_gradients(result: EpochResult) -> Mapping[str, float]:
    """Stage, and ``head`` → length of its gradient over the length of its weights."""
    return {
        stage: signals.grad_norm / signals.weight_norm if signals.weight_norm else 0.0
        for stage, signals in result.stages.items()
    }


@hookimpl
def tlf_freeze_policies() -> dict[str, type]:
    """Offer the policies to recipes."""
    return {"block": Block, "relative": Relative}


@hookimpl
def tlf_extensions() -> dict[str, type]:
    """Offer the report to recipes."""
    return {"report": Report}
