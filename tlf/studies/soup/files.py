"""The folder of a soup. It has the files of a run that has ended, except those about training."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import tlf
from tlf.evaluation.looks import Look, count_look
from tlf.evaluation.models import sha256_of
from tlf.inference.calibrated import calibrate
from tlf.inference.classifier import TrainedClassifier
from tlf.inference.metadata import Metadata
from tlf.inference.model_files import backbone_sha256, save_head, save_model
from tlf.inference.predictions import write_csv
from tlf.inference.tables.groups import write_groups
from tlf.recipe.files import dump
from tlf.recipe.metrics import measure
from tlf.recipe.plan import Plan, read_plan
from tlf.results import EVAL
from tlf.runs.folder import FORMAT as RUN_FORMAT
from tlf.runs.identity import plan_identity
from tlf.runtime.files import absolute, write_folder
from tlf.runtime.strict_json import dumps
from tlf.studies.soup.members import Member, origin
from tlf.studies.soup.own_split import OwnSplit
from tlf.studies.soup.souped import GREEDY, Soup
from tlf.tasks import TASKS

FIGURES = "soup.json"
FORMAT = 1
"""It rises where a reader of soup.json has to change. Keys may be added without."""


def write_soup(
    soup: Soup,
    classifier: TrainedClassifier,
    kept: Sequence[Member],
    own: OwnSplit,
    looks: Sequence[Look] = (),
) -> Soup:
    """Write a soup into a new folder, whole or not at all; return it with its folder.

    Parameters:
        soup: what is known of it; its folder is the one that is asked for.
        classifier: the best of its runs, with the weights of the soup.
        kept: the runs of which it is the mean, the best first.
        own: what it makes of the eval split of the runs.
        looks: those at the test split of the best run that the soup was evaluated by.

    Raises:
        RunError: the folder cannot be written.
    """
    best = kept[0]
    plan = read_plan(best.run / "recipe.toml")
    metadata = _metadata(best, classifier, plan, own)
    recipe = dump(replace(plan.recipe, output=str(absolute(soup.folder))), plan.plugins.catalogue)

    def write(folder: Path) -> None:
        model = classifier.model
        save_head(folder / "head.safetensors", model, metadata, own.features)
        save_model(folder / "model.safetensors", model, metadata)
        _write_predictions(folder / "predictions.csv", own, metadata)
        if own.groups is not None:
            write_groups(folder, own.predicted.names, own.groups)
        for name, content in {
            FIGURES: as_json(soup),
            "provenance.json": _provenance(soup, kept, plan, recipe),
        }.items():
            (folder / name).write_text(dumps(content, indent=2) + "\n", encoding="utf-8")
        (folder / "recipe.toml").write_text(recipe, encoding="utf-8")
        for look in looks:
            count_look(folder, replace(look, model_sha256=sha256_of(folder)))

    return replace(soup, folder=write_folder(soup.folder, write))


def _metadata(best: Member, classifier: TrainedClassifier, plan: Plan, own: OwnSplit) -> Metadata:
    """What the files of the model say, with the figures of the soup on the eval split."""
    task, labels = TASKS[best.metadata.task], _labels(own)
    probabilities = task.probabilities(own.logits)
    figures = task.evaluate(probabilities, labels) | measure(plan, probabilities, labels)
    calibrated = calibrate(task, own.logits, probabilities, labels, plan.recipe.coverage, "eval")
    return replace(
        best.metadata,
        backbone={**best.metadata.backbone, "sha256": backbone_sha256(classifier.model)},
        metrics={f"{EVAL}{name}": figure for name, figure in figures.items()},
        calibrated=calibrated.as_json(),
        unlike=None,
        tlf=tlf.__version__,
    )


def _labels(own: OwnSplit) -> Tensor:
    """The labels as the task has them: numbers of classes (N,), or marks (N, K)."""
    return torch.from_numpy(own.predicted.labels.astype(np.int64))


def _write_predictions(path: Path, own: OwnSplit, metadata: Metadata) -> None:
    predicted, task = own.predicted, TASKS[metadata.task]
    write_csv(
        path,
        predicted.names,
        task.probabilities(own.logits),
        metadata.classes,
        _labels(own),
        task,
        None if metadata.calibrated is None else metadata.calibrated.get("thresholds"),
    )


def _provenance(soup: Soup, kept: Sequence[Member], plan: Plan, recipe: str) -> dict[str, Any]:
    """Where the soup comes from: the start that its runs share, and each run."""
    best = kept[0]
    identity = plan_identity(plan)
    images = [member.recorded.get("data_sha256") or {} for member in kept]
    return {
        "format": RUN_FORMAT,
        "versions": {"python": platform.python_version(), **identity["versions"]},
        "plugins": identity["plugins"],
        "recipe": recipe,
        "recipe_sha256": sha256(recipe.encode()).hexdigest(),
        "classes": [*best.metadata.classes],
        "precision": best.metadata.precision,
        **{key: best.start[key] for key in ("backbone_sha256", "head_sha256")},
        "data_sha256": _shared(images),
        "images": best.recorded.get("images"),
        "hardware": {
            "device": "CPU",
            "machine": platform.platform(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        },
        "started_from": best.recorded.get("started_from", []),
        "notes": best.recorded.get("notes", []),
        "soup": {
            "kind": soup.kind,
            "chosen_on": soup.data if soup.kind == GREEDY else None,
            "runs": [origin(member, 1 / len(kept)) for member in kept],
        },
    }


def _shared(tables: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is the same in all tables.

    >>> _shared([{"train": "a", "eval": "b"}, {"train": "c", "eval": "b"}])
    {'eval': 'b'}
    """
    first, *others = tables
    return {k: v for k, v in first.items() if all(other.get(k) == v for other in others)}


def as_json(soup: Soup) -> dict[str, Any]:
    """A soup as strict JSON has it; the ``README.md`` beside it documents each key."""
    return {
        "format": FORMAT,
        "kind": soup.kind,
        "metric": soup.metric.name,
        "data": soup.data,
        "images": soup.images,
        "left_out": [*soup.left_out],
        "cautions": [*soup.cautions],
        "chosen_by_these_images": soup.kind == GREEDY,
        "accuracy": asdict(soup.accuracy),
        "runs": [
            {
                "run": one.run,
                "accuracy": asdict(one.accuracy),
                "accuracy_of_soup_with_it": one.with_it,
                "kept": one.kept,
            }
            for one in soup.tried
        ],
        "comparison_with_best": asdict(soup.comparison),
    }
