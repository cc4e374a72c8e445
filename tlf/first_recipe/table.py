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
from tlf.data.splits import EVAL_NAMES, failure, listed
from tlf.errors import DataError, nearest
from tlf.runtime.regular_file import read_regular
from tlf.tasks import DEFAULT

_MOST_BYTES = 2**30
_SAMPLED = 200
"""Rows whose files are looked for, at most. They are spread over the file."""
_FOLDERS = 20
"""Folders beside the file in which images are looked for, at most."""
_LABELS = ("label", "labels", "class", "classes", "category", "species", "tags", "target", "y")
"""Usual names of the column of classes; the first that exists is used."""
_SPLITS = ("split", "set", "subset", "partition")
"""Usual names of the column of splits."""
_SEPARATORS = ("|", ";", ",", " ")
_MARKS = {"0", "1", "0.0", "1.0", "true", "false"}

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
    split, test, told = _splits(cells)
    others = [name for name in cells if name not in (path, split)]
    keys, task, why = _labels(file, cells, others, label)
    data: list[tuple[str, object]] = [("kind", "csv"), ("file", file)]
    data += [("root", root)] if root else []
    data += [("path", path)] if path != "path" else []
    data += keys
    data += [("split", split or "")] if split != "split" and (split or "split" in cells) else []
    return TableOfImages(tuple(data), task, test, (*told, *why))


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


def _splits(cells: Cells) -> tuple[str | None, str | None, list[str]]:
    """The column of splits, the value that is the test split, and what was seen."""
    for name in cells:
        if name.casefold() not in _SPLITS:
            continue
        values = {cell.casefold() for cell in cells[name]}
        evaluated = [one for one in EVAL_NAMES if one in values]
        if "train" in values and evaluated and values <= {"train", *EVAL_NAMES}:
            test = "test" if len(evaluated) > 1 and "test" in evaluated else None
            return name, test, [f"The column {name!r} says the splits."]
        shown = listed(sorted(values), 3)
        return None, None, [f"The column {name!r} does not name train and val: it holds {shown}."]
    return None, None, []


def _labels(
    file: str, cells: Cells, others: Sequence[str], label: str | None
) -> tuple[list[tuple[str, object]], str, list[str]]:
    """The keys that say what the classes are, the task, and why.

    Raises:
        DataError: there is no such column, or it cannot be told which one it is.
    """
    marks = [name for name in others if {*map(str.casefold, cells[name])} <= _MARKS]
    used = [name for name in marks if {"1", "1.0", "true"} & {*map(str.casefold, cells[name])}]
    if label is None and len(used) > 1:
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
    if found is None:
        return own, DEFAULT, [f"The column {column!r} holds the class of each image."]
    separator, example = found
    why = [
        f"Cells of the column {column!r} such as {example!r} join classes that other cells hold, "
        f"too: an image may have several (task multi-label, separated by {separator!r})."
    ]
    return [*own, ("label_separator", separator)], "multi-label", why


def _column(file: str, cells: Cells, others: Sequence[str]) -> str:
    usual = [name for known in _LABELS for name in others if name.casefold() == known]
    if usual or len(others) == 1:
        return usual[0] if usual else others[0]
    shown = listed(others, 5) if others else "none beside the paths"
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
