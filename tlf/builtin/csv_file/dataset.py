"""The dataset component of tables."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from tlf.builtin.csv_file.label_cells import with_one_label
from tlf.builtin.csv_file.rows import (
    UNLABELLED,
    ListedImage,
    capped,
    doubled,
    grouped,
    incomplete,
    missing,
    renamed,
    rows_of,
)
from tlf.builtin.csv_file.table import read_table
from tlf.components import IsPath, Labelled, Splits
from tlf.data.label_sets.as_text import (
    HoldOutOfSets,
    check_all_used,
    check_label_options,
    positions,
    taken_apart,
)
from tlf.data.listing.compact import GrowingNames
from tlf.data.splits import (
    EVAL_NAMES,
    Columns,
    HoldOut,
    check_fraction,
    check_test,
    failure,
    file_splits,
    listed,
    too_few_classes,
    untouched,
)
from tlf.data.splitting.groups import column_advice
from tlf.errors import nearest

_SPLITS = ("train", *EVAL_NAMES)
_NO_CLASS = (
    "where images may have several classes, or none, write data.label_separator, such as '|', and "
    "task = 'multi-label'"
)


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
    label_separator: str = ""
    """For ``task = "multi-label"``: what separates the names of several classes in a cell, such as
    ``;``. An empty cell is an image without a class."""
    labels: tuple[str, ...] = ()
    """For ``task = "multi-label"``: a column for each class, called as the class, which holds 0 or
    1. It replaces ``label``; the classes have this order."""
    split: str = "split"
    """The column that holds train or val (or valid, validation, eval, test), in upper or lower
    case, in every row. A column that is called ``is_valid`` (or ``is_val``, ``is_test``,
    ``is_train``, …) may hold true or false, or 1 or 0, instead. Where the file has no column
    ``split``, or the recipe says ``split = ""``, a fraction of each class is held out as the eval
    split."""
    fraction: float = 0.2
    """How much of each class is held out where no column names the split."""
    seed: int = 0
    """Decides which images are held out; the seed of the run has no effect on it."""

    def __post_init__(self) -> None:
        """Check the fraction, and that labels are said in one way."""
        check_fraction(self.fraction)
        check_label_options(self.labels, self.label_separator)

    def build(self) -> Splits:
        """Read the list and check that every file exists.

        Raises:
            DataError: names everything that is missing or does not fit together.
        """
        return self.build_with(None, ())

    def build_with(self, test: str | None, columns: Sequence[str]) -> Splits:
        """Read the list, with the lines of the split ``test`` as the test split, and the values of
        ``columns``.

        Raises:
            DataError: names everything that is missing or does not fit together.
        """
        known = _known(test)
        root, rows, by_column = self._checked_rows(known, columns)
        values = {
            column: {row.path: row.values[place] for row in rows}
            for place, column in enumerate(columns)
        }
        groups = grouped(rows)
        tested = None if test is None else self._tested(test, groups, by_column=by_column)
        return self._splits(root, rows, groups, tested, values, by_column=by_column)

    def _tested(
        self, test: str, groups: dict[str, dict[str, GrowingNames]], *, by_column: bool
    ) -> dict[str, GrowingNames]:
        """Take the images of the test split out of ``groups``: split → class → images.

        Raises:
            DataError: there is no such split.
        """
        if not by_column:
            problem = f"data.test must be a fraction where no column names the splits, got {test!r}"
            raise failure(self.file, [f"{problem}; write data.test = 0.2, for example"])
        check_test(self.file, test.casefold(), {"train": "train"})
        if test.casefold() not in groups:
            problem = f"there is no split {test!r}; {nearest(test, sorted(groups))}; set data.test"
            raise failure(self.file, [problem])
        return groups.pop(test.casefold())

    def labelled(self, split: str | None) -> Labelled:
        """The images of one split; without a name, of the eval split if there is one, else all.

        Raises:
            DataError: there is no such split, or lines have problems.
        """
        root, rows, by_column = self._checked_rows(_known(split), ())
        names = [row.split for row in rows] if by_column else []
        asked = None if split is None else split.casefold()
        name = asked or next((known for known in EVAL_NAMES if known in names), "")
        if split is not None and asked not in names:
            alone = "no column names the splits; leave --split out for all images"
            advice = nearest(split, sorted({*names})) if names else alone
            raise failure(self.file, [f"there is no split {split!r}; {advice}"])
        every = grouped(replace(row, split="") for row in rows if name in ("", row.split))
        files = renamed(row for row in rows if name in ("", row.split))
        found = self._apart(file_splits(root, every[""], {}, files=files))
        return Labelled(found.train, found.classes)

    @property
    def _label_columns(self) -> tuple[str, ...]:
        return self.labels or (self.label,)

    @property
    def _several(self) -> bool:
        """Whether an image may have several classes."""
        return bool(self.labels or self.label_separator)

    def _apart(self, splits: Splits) -> Splits:
        """The splits, with tuples of classes as labels where images have several."""
        return taken_apart(splits, self.labels) if self._several else splits

    def _checked_rows(
        self, known: Sequence[str], columns: Sequence[str]
    ) -> tuple[str, Sequence[ListedImage], bool]:
        """The folder that paths are relative to, the images, and whether a column names splits.

        Parameters:
            known: what splits may be called.
            columns: others whose values are wanted.

        Raises:
            DataError: names everything that is missing or does not fit together.
        """
        wanted = [self.path, *self._label_columns, *filter(None, [self.split]), *columns]
        table = read_table(self.file, wanted)
        self._check_columns(table.columns, columns)
        if self._several:
            table = with_one_label(table, self._label_columns, self.label_separator)
        root = self.root or os.path.dirname(self.file)
        by_column = self.split in table.columns and self.split != ""
        rows = rows_of(table, root, known, self.split if by_column else "")
        lacking = incomplete(rows, known)
        problems = capped([*table.problems, *lacking], "lines have problems")
        if not self._several and any(problem.endswith(UNLABELLED) for problem in lacking):
            problems.append(_NO_CLASS)
        problems += doubled(rows, root) + missing(rows, root)
        if problems:
            raise failure(self.file, problems)
        return root, rows, by_column

    def _check_columns(self, columns: Sequence[str], others: Sequence[str]) -> None:
        classes = {f"labels.{n}": name for n, name in enumerate(self.labels)}
        wanted = {"path": self.path, **(classes or {"label": self.label}), "split": self.split}
        wanted |= {"group": others[0]} if others else {}
        if not self.split or (self.split == "split" and "split" not in columns):
            del wanted["split"]
        problems = [
            f"there is no column {column!r}; {nearest(column, columns)}; "
            + (column_advice(column) if option == "group" else f"set data.{option}")
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

    def _splits(
        self,
        root: str,
        rows: Sequence[ListedImage],
        groups: Mapping[str, Mapping[str, Sequence[str]]],
        tested: Mapping[str, Sequence[str]] | None,
        values: Columns,
        *,
        by_column: bool,
    ) -> Splits:
        train = groups.get("train", {})
        found = [name for name in EVAL_NAMES if name in groups]
        if by_column and not (train and (found or tested)):
            held = listed(sorted(groups))
            problem = f"the column {self.split!r} must hold train and val, got {held} only"
            raise failure(self.file, [f'{problem}; write data.split = "" to hold out images'])
        classes = positions(train)[0] if self._several else train
        if problems := too_few_classes(classes, "train" if found else "it"):
            raise failure(self.file, problems)
        hold_out = HoldOutOfSets if self._several else HoldOut
        evaluated = groups[found[0]] if found else hold_out(self.file, self.fraction, self.seed)
        notes, files = untouched(found), renamed(rows)
        splits = file_splits(root, train, evaluated, notes, files, tested, values)
        apart = self._apart(splits)
        check_all_used(self.file, self.labels, apart.classes)
        return apart


def _known(named: str | None) -> tuple[str, ...]:
    """What splits may be called: as usual, or as a recipe or a command names one."""
    return _SPLITS if not named else tuple(dict.fromkeys((*_SPLITS, named.casefold())))
