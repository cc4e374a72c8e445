"""Which columns of a CSV file hold paths, classes and splits, and whether images have several
classes.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tlf.data.csv_table import read_csv
from tlf.data.image_files import is_folder, visible
from tlf.data.splits import failure, listed
from tlf.data.splitting.flags import MARKS
from tlf.errors import DataError, nearest
from tlf.first_recipe.split_columns import split_columns
from tlf.runtime.regular_file import read_regular
from tlf.tasks import DEFAULT

_MOST_BYTES = 2**30
_SAMPLED = 200
"""Rows whose files are looked for, at most. They are spread over the file."""
_FOLDERS = 20
"""Folders beside the file in which images are looked for, at most."""
_LABELS = ("label", "labels", "class", "classes", "category", "species", "tags", "target", "y")
"""Usual names of the column of classes; the first that exists is used."""
_SEPARATORS = ("|", ";", ",", " ")

Cells = Mapping[str, Sequence[str]]
"""Column → its cells."""


@dataclass(frozen=True)
class TableOfImages:
    """What a recipe says about a table of images."""

    data: tuple[tuple[str, object], ...]
    """The keys of ``[data]``."""
    task: str
    test: str | None
    """The value of the split column that is the test split."""
    reasons: tuple[str, ...]
    """What was seen in it: one sentence each."""
    warnings: tuple[str, ...] = ()
    """What is in it and not used, although it looks like splits: one sentence each."""


def look_at_table(file: str, label: str | None = None) -> TableOfImages:
    """Find out what the columns of a CSV file are.

    Parameters:
        file: the CSV file.
        label: its column of classes; None: it is found by its name, or the only one left.

    Raises:
        DataError: the file is no CSV, no column holds paths of images, or it cannot be told which
            one holds classes.
    """
    cells = _cells(file)
    root, path = _images(file, cells)
    beside = {name: column for name, column in cells.items() if name != path}
    found = split_columns({name: beside[name] for name in beside if name != label})
    split = found.used
    others = [name for name in beside if name not in found.alike]
    keys, task, why = _labels(file, beside, others, label)
    data: list[tuple[str, object]] = [("kind", "csv"), ("file", file)]
    data += [("root", root)] if root else []
    data += [("path", path)] if path != "path" else []
    data += keys
    data += [("split", split or "")] if split != "split" and (split or "split" in cells) else []
    return TableOfImages(tuple(data), task, found.test, (*found.told, *why), found.warnings)


def _cells(file: str) -> Cells:
    try:
        content = read_regular(file, _MOST_BYTES)
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    columns = read_csv(file, content, []).columns
    if doubled := [name for name, count in Counter(columns).items() if count > 1]:
        raise failure(file, [f"the column {doubled[0]!r} is there twice; rename one of them"])
    table = read_csv(file, content, columns)
    if problems := table.problems:
        raise failure(file, problems[:5])
    if not table.rows:
        raise failure(file, ["it must list images below its heading, got none; add lines"])
    rows = [cells for _, cells in table.rows]
    return {name: [row[place].strip() for row in rows] for place, name in enumerate(columns)}


def _images(file: str, cells: Cells) -> tuple[str, str]:
    """The folder that paths start from, empty for that of the file, and the column of paths.

    Raises:
        DataError: no column names files.
    """
    folder = os.path.dirname(file) or "."
    inside = [entry.name for entry in visible(Path(folder)) if is_folder(entry)][:_FOLDERS]
    for root in ("", *(os.path.join(os.path.dirname(file), name) for name in inside)):
        found = {name: _there(root or folder, column) for name, column in cells.items()}
        best = max(found, key=found.__getitem__)
        if found[best] >= 0.5:
            return root, best
    first = {name: column[0] for name, column in cells.items()}
    told = listed([f"{name} ({cell!r})" for name, cell in first.items()], 5)
    raise failure(
        file,
        [
            f"no column holds paths of images that are in {folder} or in a folder in it, got {told}"
            "; write paths with their suffix, relative to the file"
        ],
    )


def _there(root: str, column: Sequence[str]) -> float:
    """Which part of a sample of cells names files."""
    sample = column[:: max(1, -(-len(column) // _SAMPLED))]
    paths = [os.path.join(root, cell.replace("\\", "/")) for cell in sample if cell]
    return sum(map(os.path.isfile, paths)) / len(sample)


def _labels(
    file: str, cells: Cells, others: Sequence[str], label: str | None
) -> tuple[list[tuple[str, object]], str, list[str]]:
    """The keys that say what the classes are, the task, and why.

    Parameters:
        file: the table.
        cells: of the columns beside the paths.
        others: the columns that do not look like splits.
        label: the column of classes, as a person has named it.

    Raises:
        DataError: there is no such column, or it cannot be told which one it is.
    """
    marks = [name for name in others if {*map(str.casefold, cells[name])} <= {*MARKS}]
    if label is None and not _usual(others) and len(used := _used(cells, marks)) > 1:
        unused = [name for name in marks if name not in used]
        why = [
            f"{len(used)} columns hold 0 or 1: each is a class, and an image may have several of "
            "them (task multi-label)."
        ]
        why += [f"No image has a 1 in {listed(unused, 3)}: left out."] if unused else []
        return [("labels", used)], "multi-label", why
    column = label if label is not None else _column(file, cells, others)
    if column not in others:
        raise failure(
            file, [f"there is no column {column!r} of classes; {nearest(column, others)}"]
        )
    own: list[tuple[str, object]] = [] if column == "label" else [("label", column)]
    found = _separator(cells[column])
    left = [name for name in marks if name != column]
    why = [f"Columns of 0 and 1 are not used for classes: {listed(left, 3)}."] if left else []
    if found is None:
        return own, DEFAULT, [f"The column {column!r} holds the class of each image.", *why]
    separator, example = found
    why = [
        *why,
        f"Cells of the column {column!r} such as {example!r} join classes that other cells hold, "
        f"too: an image may have several (task multi-label, separated by {separator!r}).",
    ]
    return [*own, ("label_separator", separator)], "multi-label", why


def _used(cells: Cells, marks: Sequence[str]) -> list[str]:
    """Columns of 0 and 1 in which some image has a 1."""
    return [name for name in marks if any(MARKS[cell.casefold()] for cell in cells[name])]


def _usual(others: Sequence[str]) -> list[str]:
    """Columns with a usual name of classes, the most usual first."""
    return [name for known in _LABELS for name in others if name.casefold() == known]


def _column(file: str, cells: Cells, others: Sequence[str]) -> str:
    usual = _usual(others)
    if usual or len(others) == 1:
        return usual[0] if usual else others[0]
    shown = listed(others or cells, 5)
    raise failure(
        file, [f"which column holds the classes? Found {shown}; write --label and its name"]
    )


def _separator(cells: Sequence[str]) -> tuple[str, str] | None:
    """What separates the classes of a cell, and a cell with several; None where each is one.

    Most cells with the separator join names that are in other cells, too. Commas and blanks stand
    in names of one class as well: there, each name has to be a cell of its own.
    """
    known = {*cells} - {""}
    for separator in _SEPARATORS:
        each = {cell: {*filter(None, map(str.strip, cell.split(separator)))} for cell in known}
        joined = [cell for cell in sorted(known) if len(each[cell]) > 1]
        if not joined:
            continue
        times = Counter(name for names in each.values() for name in names)
        firm = separator in "|;"
        recur = [
            cell
            for cell in joined
            if all(times[name] > 1 if firm else name in known for name in each[cell])
        ]
        if 2 * len(recur) >= len(joined):
            return separator, recur[0]
    return None
