"""The models that can be evaluated: a run, an exported ONNX graph, a head with its backbone.

All of them are the same to those who classify with them: pixels in, logits out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import file_digest
from os import PathLike
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from tlf.errors import RunError, in_shell
from tlf.evaluation.backbone import load_backbone
from tlf.inference.classifier import TrainedClassifier
from tlf.inference.head import load_head
from tlf.inference.onnx_file import load_onnx
from tlf.inference.predict import load_classifier
from tlf.preprocessing import Preprocessing
from tlf.runtime.files import is_run, with_absolute
from tlf.runtime.precision import PRECISIONS, usable


class Model(Protocol):
    """What classifies images."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the logits."""

    @property
    def preprocessing(self) -> Preprocessing:
        """How images are prepared."""

    @property
    def task(self) -> str:
        """The task that it was trained for."""

    @property
    def thresholds(self) -> tuple[float, ...] | None:
        """From which probability on it predicts each class; None where the task has no such."""

    def logits(self, pixels: Sequence[Tensor]) -> Tensor:
        """Uint8 images (C, S, S) → float32 logits (B, K)."""


@dataclass(frozen=True)
class OwnPrecision:
    """A classifier of tlf, in a precision that its device is fast in."""

    classifier: TrainedClassifier
    precision: str

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the logits."""
        return self.classifier.labels

    @property
    def preprocessing(self) -> Preprocessing:
        """How images are prepared."""
        return self.classifier.preprocessing

    @property
    def task(self) -> str:
        """The task that it was trained for."""
        return self.classifier.task

    @property
    def thresholds(self) -> tuple[float, ...] | None:
        """From which probability on it predicts each class; None where the task has no such."""
        calibrated = self.classifier.calibrated
        return None if calibrated is None else calibrated.thresholds

    def logits(self, pixels: Sequence[Tensor]) -> Tensor:
        """Uint8 images (C, S, S) → float32 logits (B, K)."""
        return self.classifier.logits(pixels, self.precision)


def load(path: Path, precision: str | None, backbone: str | PathLike[str] | None) -> Model:
    """Load a model.

    Parameters:
        path: the folder of a run, or a file: ``model.safetensors``, ``head.safetensors`` or ONNX.
        precision: what a run or a head computes in; None: what the run computed in.
        backbone: the file with the weights of a head's backbone.

    Raises:
        RunError: there is no such model, or an option does not fit it.
        WeightsError: it is damaged, or the backbone is another one.
    """
    if path.is_file() and path.suffix.lower() == ".onnx":
        if precision not in (None, "no"):
            raise RunError(
                f"precision must be no for an ONNX graph, which computes as it was exported, got "
                f"{precision!r} for {path}; leave it out"
            )
        return load_onnx(path)
    if not needs_backbone(path):
        if path.is_dir() and not is_run(path) and not (path / "model.safetensors").exists():
            raise RunError(
                f"{with_absolute(path)} is not the folder of a run; to evaluate a model on "
                f"the images in it, write: --data {in_shell(path)}"
            )
        return fast(load_classifier(path, precision))
    head = load_head(path)
    if backbone is None:
        raise RunError(
            f"a head needs its backbone, got {path} alone; write --backbone FILE, such as the "
            "model.safetensors of its run"
        )
    return fast(head.attach(load_backbone(head, Path(backbone))), precision)


def check_there(path: Path) -> None:
    """Check that there is something where a model should be.

    Raises:
        RunError: there is nothing.
    """
    if not path.exists():
        raise RunError(
            f"there is no {with_absolute(path)}; name the folder of a run, such as runs/mine, or "
            "an exported file"
        )


def check_models(
    paths: Sequence[Path], precision: str | None, backbone: str | PathLike[str] | None
) -> None:
    """Check that the models are there, and that the options fit them.

    Raises:
        RunError: a model is missing, or an option does not fit.
    """
    for path in paths:
        check_there(path)
    if precision not in (None, *PRECISIONS):
        raise RunError(
            f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}; leave it out "
            "for the run's own"
        )
    if backbone is not None and not any(map(needs_backbone, paths)):
        raise RunError(
            f"backbone must be left out for a whole model, got {backbone} for {paths[0]}; it is "
            "for a head.safetensors"
        )


def needs_backbone(path: Path) -> bool:
    """Whether a path is that of a head alone, and of no whole model."""
    return not path.is_dir() and path.name != "model.safetensors" and path.suffix != ".onnx"


def run_of(path: Path) -> Path | None:
    """The run that a model belongs to: the folder itself, or the one that holds the file."""
    folders = (path,) if path.is_dir() else path.absolute().parents[:2]
    return next((folder for folder in folders if is_run(folder)), None)


def fast(classifier: TrainedClassifier, precision: str | None = None) -> OwnPrecision:
    """A classifier in its own precision, or in another one, as far as the CPU is fast in it."""
    return OwnPrecision(classifier, usable(precision or classifier.precision, torch.device("cpu")))


def sha256_of(model: Path) -> str | None:
    """SHA-256 of the model's file; None for a run that has not written one."""
    file = model / "model.safetensors" if model.is_dir() else model
    if not file.is_file():
        return None
    with file.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()
