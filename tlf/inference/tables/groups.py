"""The table of the groups of a run's eval images, which its recipe finds with ``data.group``."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from tlf.errors import RunError
from tlf.runtime.files import writing, written_whole
from tlf.runtime.regular_file import check_regular
from tlf.runtime.text import printable

FILE = "groups.csv"
"""In the folder of a run, where its recipe has ``data.group``."""
_HEADER = ["path", "group"]


def write_groups(folder: Path, names: Sequence[str], groups: Sequence[str]) -> None:
    """Write a line for each image.

    Raises:
        UnwritableError: the file cannot be written.
    """
    with (
        writing(folder / FILE),
        written_whole(folder / FILE) as path,
        path.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_HEADER)
        rows = zip(names, groups, strict=True)
        writer.writerows((printable(name), printable(group)) for name, group in rows)


def remove_groups(folder: Path) -> None:
    """Remove the table, where there is one: the recipe no longer has ``data.group``.

    Raises:
        UnwritableError: it cannot be removed.
    """
    with writing(folder / FILE):
        (folder / FILE).unlink(missing_ok=True)


def read_groups(folder: Path) -> Mapping[str, str] | None:
    """Name of an image, as in ``predictions.csv`` → its group; None where there is no such table.

    Raises:
        RunError: it is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        check_regular(path)
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file, strict=True)
            if header != _HEADER:
                raise ValueError(f"it begins with {','.join(header)[:100]!r}")
            return {name: group for name, group in rows}  # noqa: C416 - each row has two cells
    except (OSError, ValueError, csv.Error) as error:
        raise RunError(
            f"{path} is damaged, which says which images belong together: {error}; put it back, or "
            "remove it: tlf then takes images for independent, and says so"
        ) from error
