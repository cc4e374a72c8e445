"""The best model so far of a run that has not written one: it was stopped or killed, or is running.

Its stored state has the best epoch's weights, as far as training has changed them. All others are
the pretrained ones, which are found as the run found them. A state is one sealed file, so two
epochs are never mixed.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

import torch

from tlf.data.listing.compact import Names
from tlf.errors import RunError, WeightsError, in_shell
from tlf.inference.calibrated import calibrate
from tlf.inference.metadata import Metadata, from_json
from tlf.inference.model_files import backbone_sha256, save_head, save_model
from tlf.inference.predictions import write_csv
from tlf.model import Classifier, restore_tensors
from tlf.pretrained.weights import fingerprint
from tlf.recipe.build import build_model_at
from tlf.recipe.plan import read_model_plan
from tlf.results import EVAL
from tlf.runtime.stored.state import (
    UnfinishedRunWarning,
    place_of,
    read_state,
    state_file,
    state_summary,
)
from tlf.tasks import TASKS


def warn_if_unfinished(folder: Path) -> None:
    """Say where a run was when its state was stored, unless it has trained all of its phases."""
    stored = state_summary(folder)
    if stored is None or stored["ended"]:
        return
    name = stored["best_so_far"]
    best = stored[name]["result"] if name else None
    which = f", of epoch {best['epoch'] + 1} of phase {best['phase']}" if best else ""
    warnings.warn(
        f"the run in {folder} has not ended: it was stored {place_of(stored)}, and its best model "
        f"so far is used{which}. Go on with: tlf resume {in_shell(folder)}",
        UnfinishedRunWarning,
        stacklevel=3,
    )


def load_stopped(folder: Path) -> tuple[Classifier, Metadata]:
    """The best model so far of a run, out of its stored state.

    Raises:
        RunError: no epoch is evaluated yet, or the state is damaged.
        WeightsError: the pretrained weights are no longer found, or are others.
    """
    return _rebuilt(folder, read_state(state_file(folder)))


@contextmanager
def model_files(folder: Path) -> Iterator[Path]:
    """A folder with the model's files of a run: its own, or a temporary one where the run has not
    written them.
    """
    if (folder / "model.safetensors").is_file() or not state_file(folder).is_file():
        yield folder
        return
    stored = read_state(state_file(folder))
    classifier, metadata = _rebuilt(folder, stored)
    warn_if_unfinished(folder)
    with TemporaryDirectory(prefix="tlf-") as name:
        files, best, task = Path(name), stored[stored["best_so_far"]], TASKS[metadata.task]
        for record in ("recipe.toml", "provenance.json"):
            copyfile(folder / record, files / record)
        write_csv(
            files / "predictions.csv", _eval_names(stored), task.probabilities(best["logits"]),
            metadata.classes, best["labels"], task, metadata.thresholds,
        )  # fmt: skip
        with torch.inference_mode():
            features = classifier.eval().features(_blank(metadata)).float()
        save_head(files / "head.safetensors", classifier, metadata, features)
        save_model(files / "model.safetensors", classifier, metadata)
        yield files


def _rebuilt(folder: Path, stored: dict[str, Any]) -> tuple[Classifier, Metadata]:
    name, path = stored["best_so_far"], state_file(folder)
    if name is None:
        raise RunError(
            f"the run in {folder} has no model yet: it was stopped {place_of(stored)}, before an "
            f"epoch was evaluated; go on with: tlf resume {in_shell(folder)}"
        )
    metadata = from_json(stored["about"], path)
    plan = read_model_plan(folder / "recipe.toml", metadata.changed_by)
    size = metadata.preprocessing.size
    built, classifier = build_model_at(plan, len(metadata.classes), size)
    if fingerprint(built.module.state_dict()) != metadata.backbone["sha256"]:
        raise WeightsError(
            f"the backbone of {folder}/recipe.toml has other weights than when the run was "
            "started; put the old weights back"
        )
    try:
        restore_tensors(classifier, stored[name]["tensors"])
    except (RuntimeError, KeyError) as error:
        raise WeightsError(f"{path} does not fit the model of its recipe: {error}") from error
    plan.plugins.hook.tlf_model_trained(model=classifier)
    figures = {k: v for k, v in stored[name]["result"].items() if k.startswith(EVAL)}
    backbone = {**metadata.backbone, "sha256": backbone_sha256(classifier)}
    calibrated = _calibrated(stored[name], metadata, plan.recipe.coverage)
    return classifier, replace(metadata, metrics=figures, backbone=backbone, calibrated=calibrated)


def _calibrated(best: dict[str, Any], metadata: Metadata, coverage: float) -> dict[str, Any]:
    """The calibration by the eval split, whose logits a stored state has."""
    logits, labels = best["logits"], best["labels"]
    task = TASKS[metadata.task]
    probabilities = task.probabilities(logits)
    return calibrate(task, logits, probabilities, labels, coverage, "eval").as_json()


def _eval_names(stored: Mapping[str, Any]) -> Sequence[str]:
    """The names of the eval images, one in each line; earlier versions stored a list."""
    names: str | list[str] = stored["eval_names"]
    return names if isinstance(names, list) else Names(names.split("\n"))


def _blank(metadata: Metadata) -> torch.Tensor:
    side = metadata.preprocessing.size
    return torch.zeros(1, metadata.preprocessing.channels, side, side)
