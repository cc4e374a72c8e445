"""Local datasets: what ``save_to_disk`` wrote, and parquet and arrow files."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tlf.builtin.hub.library import call_library
from tlf.data.splits import EVAL_NAMES, failure, listed
from tlf.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset


def is_local(name: str) -> bool:
    """Whether a name is a path: it exists, or it cannot be a name on the hub."""
    path = Path(os.path.expanduser(name))
    is_path = name.startswith((".", "/", "~")) or path.suffix in (".parquet", ".arrow")
    return path.exists() or is_path


def local_tables(name: str, train: str, *others: str) -> "dict[str, Dataset]":
    """Split → its table.

    Parameters:
        name: the file or folder.
        train: the name of the train split; files that name no split belong to it.
        others: the names of other splits; files may begin with them, too.

    Raises:
        DataError: there are no files, or they cannot be read.
    """
    import datasets

    path = Path(os.path.expanduser(name))
    if (path / "dataset_dict.json").exists() or (path / "state.json").exists():
        found = call_library(lambda: datasets.load_from_disk(str(path)), f"cannot open {path}")
        return dict(found) if isinstance(found, dict) else {train: found}
    splits = _files_by_split(path, (train, *others))
    unnamed = splits.pop("", [])
    if unnamed and splits:
        known = listed(sorted(splits))
        problem = f"{listed(unnamed)}: which split is this? Others are named {known}"
        raise failure(name, [f"{problem}; begin its name with its split"])
    splits = splits or {train: unnamed}
    return {split: _open_files(files, split) for split, files in splits.items()}


def _files_by_split(path: Path, names: Sequence[str]) -> dict[str, list[str]]:
    """Split → files of a folder, by how their names or folders begin; ``""`` where unknown.

    Raises:
        DataError: there are no parquet or arrow files.
    """
    if path.is_file():
        return {"": [str(path)]}
    found = (file for kind in ("parquet", "arrow") for file in path.rglob(f"*.{kind}"))
    files = sorted(file for file in found if file.is_file())  # a pipe would be waited for
    if not files:
        raise DataError(f"{path}: there are no parquet or arrow files here; set data.name")
    known = "|".join(map(re.escape, dict.fromkeys((*names, "train", *EVAL_NAMES))))
    begins = re.compile(rf"({known})(?![a-zA-Z])", re.IGNORECASE)
    splits: dict[str, list[str]] = {}
    for file in files:
        match = begins.match(file.name) or begins.match(file.relative_to(path).parts[-2:][0])
        splits.setdefault(match[1] if match else "", []).append(str(file))
    return splits


def _open_files(files: Sequence[str], split: str) -> "Dataset":
    import datasets

    kinds = {Path(file).suffix for file in files}
    if len(kinds) > 1:
        raise DataError(f"split {split!r}: files must be of one format, got {listed(files)}")
    # Not load_dataset("parquet"): it contacts a server even for local files.
    if kinds == {".parquet"}:
        return call_library(
            lambda: datasets.Dataset.from_parquet(list(files)), f"cannot read {listed(files)}"
        )
    return call_library(
        lambda: datasets.concatenate_datasets([datasets.Dataset.from_file(f) for f in files]),
        f"cannot read {listed(files)} in Arrow's stream format; write parquet",
    )
