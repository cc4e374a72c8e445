"""The files of an evaluation: evaluation.json, and the predictions as tables."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

import tlf
from tlf.evaluation.evaluate import Evaluated
from tlf.evaluation.models import run_of, sha256_of
from tlf.inference.predictions import write_table
from tlf.metrics.predicted import AnyPredicted
from tlf.runtime.strict_json import dumps


def place_of(model: Path, name: str) -> Path:
    """Where the files of an evaluation go by default: into the model's run, or beside its file.

    >>> str(place_of(Path("exports/model.onnx"), "eval"))
    'exports/model.onnx-evaluations/eval'
    """
    if model.is_dir() or model.name == "model.safetensors":
        return (run_of(model) or model) / "evaluations" / name
    return model.with_name(f"{model.name}-evaluations") / name


def write_files(evaluated: Evaluated, folder: Path) -> None:
    """Write evaluation.json and the predictions into a folder."""
    text = dumps(content(evaluated), indent=2)
    (folder / "evaluation.json").write_text(f"{text}\n", encoding="utf-8")
    for name, predicted in tables(evaluated).items():
        labels, said = map(torch.from_numpy, (predicted.labels, predicted.predicted))
        rows = torch.from_numpy(predicted.probabilities)
        write_table(folder / name, predicted.names, rows, predicted.classes, labels, said)


def tables(evaluated: Evaluated) -> dict[str, AnyPredicted]:
    """Name of a file → the predictions in it."""
    found = {"predictions.csv": evaluated.predicted}
    if evaluated.tta is not None:
        found["predictions-tta.csv"] = evaluated.tta.predicted
    if evaluated.other is not None:
        found["predictions-2.csv"] = evaluated.other.predicted
        if evaluated.other.tta is not None:
            found["predictions-2-tta.csv"] = evaluated.other.tta.predicted
    return found


def content(evaluated: Evaluated) -> dict[str, Any]:
    """What evaluation.json holds: the figures, and what they are about."""
    about: dict[str, Any] = {
        "tlf": tlf.__version__,
        "model": str(Path(evaluated.model).absolute()),
        "model_sha256": sha256_of(Path(evaluated.model)),
        "data": evaluated.data,
        "recorded": evaluated.recorded,
        "unknown": dict(evaluated.unknown),
        "unreadable": [{"path": name, "reason": why} for name, why in evaluated.unreadable],
    }
    if evaluated.looks:
        about["looks"] = [asdict(look) for look in evaluated.looks]
        about["test_split"] = evaluated.test_split
        about["shared_images"] = [asdict(one) for one in evaluated.shared]
    if evaluated.notes:
        about["notes"] = [*evaluated.notes]
    if evaluated.doubts:
        about["doubts"] = [*evaluated.doubts]
    figures: Mapping[str, Any] = evaluated.evaluation.as_json()
    if (tta := evaluated.tta) is not None:
        about["tta"] = {
            "views": tta.title,
            "evaluation": tta.evaluation.as_json(),
            "comparison": asdict(tta.comparison),
        }
    if evaluated.other is not None and evaluated.comparison is not None:
        about["other"] = content(evaluated.other)
        about["comparison"] = asdict(evaluated.comparison)
    return {**figures, **about}
