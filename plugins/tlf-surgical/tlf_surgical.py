"""Surgical fine-tuning: train one chosen block of the backbone, and the head.

Source: Lee et al. 2023, arXiv:2210.11466.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tlf.hookspecs import hookimpl
from tlf.model import Classifier
from tlf.results import EpochResult, Progress


@dataclass(frozen=True)
class Block:
    """One stage and the head train; everything else is frozen."""

    stage: str
    """The stage's name, such as ``layer1``. Early stages suit images with other colours or noise,
    late stages suit other classes."""

    def frozen(self, model: Classifier, progress: Progress) -> list[str]:
        """Names of the backbone's other parameters.

        Raises:
            ValueError: the backbone has no such stage.
        """
        chosen = {*model.stage(self.stage)}
        return [name for name in model.backbone_names if name not in chosen]


@dataclass(frozen=True)
class Relative:
    """Everything trains first. Then only the head trains, and the stages with the largest relative
    gradients: the norm of the gradient divided by the norm of the weights.

    The paper's Auto-RGN scales every layer's learning rate by it; this policy chooses stages by it.
    """

    stages: int = 1
    """How many stages continue to train."""
    probe: int = 1
    """How many epochs everything trains, while gradients are measured."""

    def __post_init__(self) -> None:
        """Check the options."""
        for name, value in {"stages": self.stages, "probe": self.probe}.items():
            if value < 1:
                raise ValueError(f"{name} must be 1 or more, got {value}")

    def frozen(self, model: Classifier, progress: Progress) -> list[str]:
        """Names of the stages that were not chosen; none while everything trains.

        Raises:
            ValueError: the last epochs have no gradients of these stages.
        """
        if progress.epoch < self.probe:
            return []
        epochs = [relative_gradients(r) for r in progress.history[: self.probe]]
        if not epochs or any(stage not in epoch for epoch in epochs for stage in model.stages):
            raise ValueError("the last epochs have no gradients of this backbone's stages")
        sums = {stage: sum(epoch[stage] for epoch in epochs) for stage in model.stages}
        chosen = sorted(sums, key=lambda stage: -sums[stage])[: self.stages]
        return [n for stage in model.stages if stage not in chosen for n in model.stage(stage)]


@dataclass(frozen=True)
class Report:
    """Write a CSV file: the relative gradient of each stage in each epoch."""

    file: Path = Path("relative_gradients.csv")
    """The file. If it exists, lines are appended."""

    @hookimpl
    def tlf_phase_started(self, phase: str) -> None:
        """Check that the file can be written, before anything trains.

        Raises:
            ValueError: it cannot be written.
        """
        try:
            with self.file.open("a", newline="", encoding="utf-8") as file:
                if file.tell() == 0:
                    csv.writer(file).writerow(["phase", "epoch", "stage", "relative_gradient"])
        except OSError as error:
            raise ValueError(f"file must be writable, got {self.file}: {error.strerror}") from error

    @hookimpl
    def tlf_epoch_ended(self, result: EpochResult) -> None:
        """Append the lines of an epoch."""
        with self.file.open("a", newline="", encoding="utf-8") as file:
            for stage, gradient in relative_gradients(result).items():
                csv.writer(file).writerow([result.phase, result.epoch, stage, f"{gradient:.6g}"])


@dataclass(frozen=True)
class Enough:
    """End the run, with its best model, once every relative gradient of an epoch is small."""

    below: float = 1e-4
    """What is small: the largest relative gradient that is left."""

    @hookimpl
    def tlf_stop(self, history: Sequence[EpochResult]) -> str | None:
        """Look at the last epoch."""
        gradients = [*relative_gradients(history[-1]).values()] if history else []
        if not gradients or max(gradients) >= self.below:
            return None
        return f"every relative gradient is below {self.below:g}"


def relative_gradients(result: EpochResult) -> Mapping[str, float]:
    """Stage or ``head`` → the norm of its gradient divided by the norm of its weights."""
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
    """Offer the report and the early end to recipes."""
    return {"report": Report, "enough": Enough}
