"""What a run leaves in its folder, read without tlf."""

import csv
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

TIMES = ("seconds", "images_per_second")


def metrics(folder: Path) -> list[dict[str, Any]]:
    """Every line of metrics.jsonl."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def figures(folder: Path) -> list[dict[str, Any]]:
    """The same, less what depends on the machine."""
    return [{k: line[k] for k in line if k not in TIMES} for line in metrics(folder)]


def predictions(folder: Path) -> list[dict[str, str]]:
    """Every row of predictions.csv."""
    with (folder / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def different_tensors(one: Path, other: Path) -> list[str]:
    """Names of the tensors in which two files of the same names differ by a bit."""
    first, second = load_file(one), load_file(other)
    assert first.keys() == second.keys()
    return [name for name in first if not torch.equal(first[name], second[name])]
