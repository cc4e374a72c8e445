"""What has changed between the start of a run and its resuming."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tlf.errors import RunError
from tlf.recipe.files import dump
from tlf.training.job import Job

_NO_EFFECT = ("output", "workers", "checkpoint_every", "cache.mode", "cache.max_gb", "cache.dir")
"""Keys of a recipe that do not change the result."""


def check_unchanged(folder: Path, job: Job) -> None:
    """Compare the recipe and the images with those at the start of the run.

    Raises:
        RunError: names every difference, or a damaged file.
    """
    try:
        differences = [*_recipe_changes(folder, job), *_data_changes(folder, job)]
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise RunError(
            f"provenance.json or recipe.toml in {folder} is damaged: "
            f"{type(error).__name__}: {error}; start a new run"
        ) from error
    if differences:
        raise RunError(
            f"the run in {folder} cannot be resumed as it was started:\n"
            + "\n".join(f"  {line}" for line in differences)
            + "\nundo the changes, or resume with them: --changed"
        )


def _recipe_changes(folder: Path, job: Job) -> Iterator[str]:
    before = flat(tomllib.loads((folder / "recipe.toml").read_text(encoding="utf-8")))
    now = flat(tomllib.loads(dump(job.recipe, job.plan.plugins.catalogue)))
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key) and not key.startswith(_NO_EFFECT):
            yield f"{key} was {before.get(key, 'not set')} and is {now.get(key, 'not set')}"


def _data_changes(folder: Path, job: Job) -> Iterator[str]:
    expected = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))["data_sha256"]
    for split, digest in job.manifests.items():
        if expected[split] != digest:
            yield f"the images of the {split} split, their names or their labels have changed"


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
