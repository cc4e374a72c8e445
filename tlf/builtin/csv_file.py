"""Images listed in a CSV file."""

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO

from tlf.components import Splits
from tlf.data.splits import (
    EVAL_NAMES,
    HoldOut,
    class_problems,
    failure,
    file_splits,
    listed,
    untouched,
)
from tlf.errors import DataError, nearest
from tlf.hookspecs import hookimpl
from tlf.runtime.regular_file import read_regular
from tlf.runtime.text import printable

_MOST = 20
"""How many lines an error names at most."""
_MOST_BYTES = 2**30
"""The most bytes that the CSV file may hold."""


@hookimpl
def tlf_datasets() -> dict[str, type]:
    """Offer images listed in a CSV file."""
    return {"csv": Csv}


@dataclass(frozen=True)
class Csv:
    """Images listed in a CSV file, one in each line, below a line of column names.

    The file is UTF-8; its columns are separated by commas, semicolons or tabs.
    """

    file: str
    """The CSV file."""
    root: str = ""
    """The folder that paths are relative to. Empty: the CSV file's own folder."""
    path: str = "path"
    """The column of paths."""
    label: str = "label"
    """The column of class names."""
    split: str = "split"
    """The column that holds train or val (or valid, validation, eval, test). Where the file has no
    column ``split``, or this is empty, a fraction of each class is held out as the eval split."""
    fraction: float = 0.2
    """How much of each class is held out where no column names the split."""
    seed: int = 0
    """Decides which images are held out; the seed of the run has no effect on it."""

    def build(self) -> Splits:
        """Read the list and check that every file exists.

        Raises:
            DataError: names everything that is missing or does not fit together.
        """
        columns, lines = _read(os.path.expanduser(self.file))
        self._check_columns(columns)
        root = os.path.expanduser(self.root or os.path.dirname(self.file))
        split = columns.index(self.split) if self.split in columns else None
        rows, problems = _rows(lines, columns.index(self.path), columns.index(self.label), split)
        problems += _duplicates(rows) + _missing(rows, root)
        if problems:
            raise failure(self.file, problems)
        return self._splits(root, _grouped(rows), split is not None)

    def _check_columns(self, columns: Sequence[str]) -> None:
        wanted = {"path": self.path, "label": self.label, "split": self.split}
        if self.split in ("", "split"):
            del wanted["split"]
        problems = [
            f"there is no column {column!r}; {nearest(column, columns)}; set data.{option}"
            for option, column in wanted.items()
            if column not in columns
        ]
        if problems:
            raise failure(self.file, problems)

    def _splits(
        self, root: str, groups: Mapping[str, Mapping[str, Sequence[str]]], by_column: bool
    ) -> Splits:
        train = groups.get("train", {})
        found = [name for name in EVAL_NAMES if name in groups]
        if by_column and not (train and found):
            held = listed(sorted(groups))
            problem = f"the column {self.split!r} must hold train and val, got {held} only"
            raise failure(self.file, [f'{problem}; write data.split = "" to hold out images'])
        seen = groups[found[0]] if found else train
        problems = class_problems(train, seen, "train" if found else "it", "".join(found[:1]))
        if problems:
            raise failure(self.file, problems)
        evaluated = seen if found else HoldOut(self.file, self.fraction, self.seed)
        return file_splits(root, train, evaluated, untouched(found))


@dataclass(frozen=True)
class _Row:
    """One image of the list."""

    line: int
    path: str
    label: str
    split: str


def _read(file: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The names of the columns, and each line's number and cells.

    Raises:
        DataError: the file is missing, empty, or not UTF-8.
    """
    try:
        text = read_regular(file, _MOST_BYTES).decode("utf-8-sig")
        stream = StringIO(text, newline="")
        separator = max(",;\t", key=stream.readline().count)
        stream.seek(0)
        reader = csv.reader(stream, delimiter=separator, skipinitialspace=True)
        lines = [(reader.line_num, cells) for cells in reader if any(cells)]
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}; set data.file") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file} must be UTF-8; save it as UTF-8 ({error})") from error
    except csv.Error as error:
        raise DataError(f"{file} is no CSV file: {error}") from error
    if not lines:
        raise DataError(f"{file} is empty; its first line must name the columns")
    if len(lines) == 1:
        raise DataError(f"{file} must list images below its heading, got none; add a line for each")
    return [cell.strip() for cell in lines[0][1]], lines[1:]


def _rows(
    lines: Sequence[tuple[int, list[str]]], path: int, label: int, split: int | None
) -> tuple[list[_Row], list[str]]:
    """The images, and the problems of single lines. Without a split column, all are ``train``."""
    rows, problems = [], []
    for line, cells in lines:
        if len(cells) <= max(path, label, split or 0):
            problems.append(f"line {line} has too few columns: {len(cells)}")
            continue
        where = "train" if split is None else cells[split].strip()
        row = _Row(line, cells[path], cells[label].strip(), where)
        rows.append(row)
        if not row.path or not row.label:
            problems.append(f"line {line} has no {'label' if row.path else 'path'}")
        if where not in ("train", *EVAL_NAMES):
            problems.append(f"line {line}: the split must be train or val, got {where!r}")
    return rows, _capped(problems, "lines have problems")


def _duplicates(rows: Sequence[_Row]) -> list[str]:
    first: dict[str, int] = {}
    problems = [
        f"{printable(row.path)} is in line {first[row.path]} and again in line {row.line}"
        for row in rows
        if first.setdefault(row.path, row.line) != row.line
    ]
    return _capped(problems, "are listed again")


def _missing(rows: Sequence[_Row], root: str) -> list[str]:
    problems = [
        f"line {row.line}: there is no file {printable(os.path.join(root, row.path))}"
        for row in rows
        if row.path and not os.path.exists(os.path.join(root, row.path))
    ]
    problems = _capped(problems, "files are missing")
    return [*problems, "paths are relative to data.root"] if problems else []


def _capped(problems: list[str], rest: str) -> list[str]:
    more = len(problems) - _MOST
    return [*problems[:_MOST], f"{more} more {rest}"] if more > 0 else problems


def _grouped(rows: Sequence[_Row]) -> dict[str, dict[str, list[str]]]:
    """Split → class → images."""
    groups: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        groups.setdefault(row.split, {}).setdefault(row.label, []).append(row.path)
    return groups
