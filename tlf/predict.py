"""Classify pictures with what a run left, prepared as the run prepared them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tlf.checkpoint import Card, load_model, read_card
from tlf.data import EVAL_BATCH, cut
from tlf.errors import DataError, RunError
from tlf.job import build_model, read_plan
from tlf.model import Classifier
from tlf.pictures import SUFFIXES, Preprocessing, center_crop, load, normalize
from tlf.predictions import rows


@dataclass(frozen=True)
class Trained:
    """A run's best model, ready to classify."""

    classifier: Classifier
    card: Card


def load_run(run: Path) -> Trained:
    """Build the model of a run and read its weights; nothing is fetched.

    Raises:
        RunError: the folder holds no finished run.
        WeightsError: its weights are damaged.
    """
    weights, recipe = run / "model.safetensors", run / "recipe.toml"
    card = read_card(weights)
    if not recipe.is_file():
        raise RunError(f"there is no {recipe}, which says what {weights.name} is; it has to stay")
    plan = read_plan(recipe)
    empty = replace(plan.recipe, backbone=_without_weights(plan.recipe.backbone))
    _, classifier = build_model(replace(plan, recipe=empty), len(card.classes))
    plan.plugins.hook.tlf_model_trained(model=classifier)
    load_model(weights, classifier)
    return Trained(classifier.eval(), card)


def expand(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The pictures themselves, and those in folders, and in folders inside them, sorted by path.

    Raises:
        DataError: names the path that is not there, or the folder that holds no pictures.
    """
    return tuple(picture for path in paths for picture in _within(path))


def predict(trained: Trained, pictures: Sequence[Path]) -> Iterator[dict[str, str]]:
    """Yield a row for each picture: path, predicted class, a probability for each class.

    Raises:
        DataError: names the picture that is missing or cannot be read.
    """
    how = trained.card.preprocessing
    for batch in cut(range(len(pictures)), EVAL_BATCH):
        images = torch.stack([_load(pictures[index], how) for index in batch])
        with torch.inference_mode():
            scaled = normalize(images, how).contiguous(memory_format=torch.channels_last)
            probabilities = trained.classifier(scaled).softmax(1)
        yield from rows([str(pictures[i]) for i in batch], probabilities, trained.card.classes)


def _within(path: Path) -> Sequence[Path]:
    if not os.path.exists(path):
        raise DataError(f"{path}: there is no such file or folder; name a picture, or a folder")
    if not path.is_dir():
        return [path]
    inside = (f for f in path.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file())
    # Hidden files and folders are left out, as they are from a dataset.
    found = [f for f in inside if not any(p.startswith(".") for p in f.relative_to(path).parts)]
    if not found:
        raise DataError(f"{path}: no pictures in this folder, by how their names end")
    return sorted(found)


def _load(path: Path, how: Preprocessing) -> Tensor:
    try:
        return center_crop(load(path.read_bytes(), how), how.size)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; name a picture file") from error
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _without_weights(backbone: Any) -> Any:  # noqa: ANN401 - a component of any plugin
    """The same backbone, not loading weights that the run's own replace at once."""
    names = {field.name for field in fields(backbone)}
    return replace(backbone, weights="none") if "weights" in names else backbone
