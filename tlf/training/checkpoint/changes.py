"""What differs between a run as it began and as it is asked to go on."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tlf.errors import RunError
from tlf.recipe.files import dump
from tlf.training.job import Job

_FREE = ("output", "workers", "checkpoint_every", "cache.mode", "cache.max_gb", "cache.dir")
"""Keys of a recipe that change no result."""


def check_unchanged(folder: Path, job: Job) -> None:
    """Compare recipe and images with those that the run began with.

    Raises:
        RunError: names everything that differs.
    """
    differences = [*_recipe_changes(folder, job), *_data_changes(folder, job)]
    if differences:
        raise RunError(
            f"the run in {folder} cannot go on as it began:\n"
            + "\n".join(f"  {line}" for line in differences)
            + "\nPut it back, or go on all the same with --changed"
        )


def _recipe_changes(folder: Path, job: Job) -> Iterator[str]:
    before = flat(tomllib.loads((folder / "recipe.toml").read_text(encoding="utf-8")))
    now = flat(tomllib.loads(dump(job.recipe, job.plan.plugins.catalogue)))
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key) and not key.startswith(_FREE):
            yield f"{key} was {before.get(key, 'not set')} and is {now.get(key, 'not set')}"


def _data_changes(folder: Path, job: Job) -> Iterator[str]:
    known = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))["data_sha256"]
    for split, digest in job.manifests.items():
        if known[split] != digest:
            yield f"the images of the {split} split, or their names or labels, are others"


def flat(table: object, path: str = "") -> dict[str, Any]:
    """Dotted path → value.

    >>> flat({"a": {"b": 1}, "c": [2, {"d": 3}]})
    {'a.b': 1, 'c.0': 2, 'c.1.d': 3}
    """
    if isinstance(table, dict):
        items = list(table.items())
    elif isinstance(table, list):
        items = [(str(number), item) for number, item in enumerate(table)]
    else:
        return {path.removesuffix("."): table}
    return {k: v for key, item in items for k, v in flat(item, f"{path}{key}.").items()}
