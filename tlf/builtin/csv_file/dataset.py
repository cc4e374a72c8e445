"""The dataset component of tables."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from tlf.builtin.csv_file.table import read_table
from tlf.components import IsPath, Labelled, Splits
from tlf.data.csv_table import Table
from tlf.data.listing.records import Records, repeated_hashes
from tlf.data.splits import (
    EVAL_NAMES,
    HoldOut,
    failure,
    file_splits,
    listed,
    too_few_classes,
    untouched,
)
from tlf.errors import nearest
from tlf.runtime.text import printable

_SPLITS = ("train", *EVAL_NAMES)
_MOST = 20
"""How many lines an error names at most."""


@dataclass(frozen=True)
class _Row:
    """One image of the list."""

    where: str
    """``line 2``."""
    path: str
    """As the list has it."""
    file: str
    """As the disk has it."""
    exists: bool
    label: str
    split: str


@dataclass(frozen=True)
class Csv:
    """Images listed in a CSV file, one in each line, below a line of column names; or in a table of
    parquet.

    A CSV file is UTF-8. Its columns are separated by commas, semicolons or tabs, or by what a first
    line such as ``sep=|`` says. Blanks around a cell do not count.
    """

    file: Annotated[str, IsPath()]
    """The CSV file, or a file that ends in .parquet."""
    root: Annotated[str, IsPath()] = ""
    """The folder that paths are relative to. Empty: the folder of ``file``."""
    path: str = "path"
    """The column of paths."""
    label: str = "label"
    """The column of class names."""
    split: str = "split"
    """The column that holds train or val (or valid, validation, eval, test), in upper or lower
    case. Where the file has no column ``split``, or this is empty, a fraction of each class is held
    out as the eval split."""
    fraction: float = 0.2
    """How much of each class is held out where no column names the split."""
    seed: int = 0
    """Decides which images are held out; the seed of the run has no effect on it."""

    def build(self) -> Splits:
        """Read the list and check that every file exists.

        Raises:
            DataError: names everything that is missing or does not fit together.
        """
        root, rows, by_column = self._checked_rows()
        return self._splits(root, rows, by_column)

    def labelled(self, split: str | None) -> Labelled:
        """The images of one split; without a name, of the eval split if there is one, else all.

        Raises:
            DataError: there is no such split, or lines have problems.
        """
        root, rows, by_column = self._checked_rows()
        names = [row.split for row in rows] if by_column else []
        name = split or next((known for known in EVAL_NAMES if known in names), "")
        if split is not None and split not in names:
            alone = "no column names the splits; leave --split out for all images"
            advice = nearest(split, sorted({*names})) if names else alone
            raise failure(self.file, [f"there is no split {split!r}; {advice}"])
        chosen = [row for row in rows if name in ("", row.split)]
        groups: dict[str, list[str]] = {}
        for row in chosen:
            groups.setdefault(row.label, []).append(row.path)
        found = file_splits(root, groups, {}, files=_renamed(chosen))
        return Labelled(found.train, found.classes)

    def _checked_rows(self) -> tuple[str, Sequence[_Row], bool]:
        """The folder that paths are relative to, the images, and whether a column names splits.

        Raises:
            DataError: names everything that is missing or does not fit together.
        """
        wanted = [self.path, self.label, *filter(None, [self.split])]
        table = read_table(self.file, wanted)
        self._check_columns(table.columns)
        root = self.root or os.path.dirname(self.file)
        rows, by_column = _rows(table, root), self.split in table.columns and self.split != ""
        problems = [*table.problems, *_incomplete(rows)]
        problems = (
            _capped(problems, "lines have problems") + _doubled(rows, root) + _missing(rows, root)
        )
        if problems:
            raise failure(self.file, problems)
        return root, rows, by_column

    def _check_columns(self, columns: Sequence[str]) -> None:
        wanted = {"path": self.path, "label": self.label, "split": self.split}
        if not self.split or (self.split == "split" and "split" not in columns):
            del wanted["split"]
        problems = [
            f"there is no column {column!r}; {nearest(column, columns)}; set data.{option}"
            for option, column in wanted.items()
            if column not in columns
        ]
        problems += [
            f"the column {column!r} is there {columns.count(column)} times; rename all but one"
            for column in dict.fromkeys(wanted.values())
            if columns.count(column) > 1
        ]
        if problems:
            raise failure(self.file, problems)

    def _splits(self, root: str, rows: Iterable[_Row], by_column: bool) -> Splits:
        groups = _grouped(rows)
        train = groups.get("train", {})
        found = [name for name in EVAL_NAMES if name in groups]
        if by_column and not (train and found):
            held = listed(sorted(groups))
            problem = f"the column {self.split!r} must hold train and val, got {held} only"
            raise failure(self.file, [f'{problem}; write data.split = "" to hold out images'])
        if problems := too_few_classes(train, "train" if found else "it"):
            raise failure(self.file, problems)
        evaluated = groups[found[0]] if found else HoldOut(self.file, self.fraction, self.seed)
        return file_splits(root, train, evaluated, untouched(found), _renamed(rows))


def _renamed(rows: Iterable[_Row]) -> dict[str, str]:
    """Path as the list has it → as the disk has it, where these differ."""
    return {row.path: row.file for row in rows if row.path != row.file}


def _rows(table: Table, root: str) -> Sequence[_Row]:
    """The images. Without a split column, all are ``train``."""
    rows = Records(_Row)
    for where, (cell, label, *split) in table.rows:
        path, file = _found(root, cell)
        part = split[0].strip() if split else "train"
        part = part.casefold() if part.casefold() in _SPLITS else part
        rows.append(_Row(where, path, file or path, file is not None, label.strip(), part))
    return rows


def _found(root: str, cell: str) -> tuple[str, str | None]:
    """A path as the list has it, and as the disk has it if it is there. Blanks around a path do not
    count, and backslashes may separate folders; but not where a file has such a name.
    """
    path = cell.strip()
    for name, file in ((cell, cell), (path, path), (path, path.replace("\\", "/"))):
        if path and os.path.isfile(os.path.join(root, file)):
            return name, file
    return path, None


def _incomplete(rows: Sequence[_Row]) -> list[str]:
    problems = []
    for row in rows:
        if not row.path or not row.label:
            problems.append(f"{row.where} has no {'label' if row.path else 'path'}")
        if row.split not in _SPLITS:
            known = ", ".join(_SPLITS)
            problems.append(f"{row.where}: the split must be one of {known}, got {row.split!r}")
    return problems


def _doubled(rows: Iterable[_Row], root: str) -> list[str]:
    """A sentence for each file that is listed again, however its path is written."""
    first: dict[str, _Row] = {}
    problems = []
    # Few paths are listed again: the others need not be remembered, but for a hash of each.
    again = repeated_hashes(_place(root, row) for row in rows)
    for row in (row for row in rows if hash(_place(root, row)) in again):
        earlier = first.setdefault(_place(root, row), row)
        if earlier is row or not row.path:
            continue
        same = row.path == earlier.path
        text = f"{printable(earlier.path)} is in {earlier.where} and again in {row.where}"
        text += "" if same else f", as {printable(row.path)}"
        text += "" if row.label == earlier.label else f": {earlier.label!r} and {row.label!r}"
        problems.append(text)
    return [*_capped(problems, "are listed again"), *(["list each image once"] * bool(problems))]


def _place(root: str, row: _Row) -> str:
    return os.path.abspath(os.path.join(root, row.file))


def _missing(rows: Iterable[_Row], root: str) -> list[str]:
    problems = [
        f"{row.where}: there is no file {printable(os.path.join(root, row.path))}"
        for row in rows
        if row.path and not row.exists
    ]
    problems = _capped(problems, "files are missing")
    where = printable(os.path.abspath(root))
    return [*problems, f"paths start from {where}; set data.root"] if problems else []


def _capped(problems: list[str], rest: str) -> list[str]:
    more = len(problems) - _MOST
    return [*problems[:_MOST], f"{more} more {rest}"] if more > 0 else problems


def _grouped(rows: Iterable[_Row]) -> dict[str, dict[str, list[str]]]:
    """Split → class → images."""
    groups: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        groups.setdefault(row.split, {}).setdefault(row.label, []).append(row.path)
    return groups
