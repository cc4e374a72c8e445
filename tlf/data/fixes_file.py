"""fixes.csv: rows of corrected labels and of images to leave out, written and read. What they do to
images is in ``fixes.py``.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from io import StringIO
from pathlib import Path

from tlf.data.csv_table import read_csv
from tlf.data.splits import failure, listed
from tlf.errors import DataError, nearest
from tlf.runtime.files import write_whole
from tlf.runtime.regular_file import read_regular

_MOST_BYTES = 2**30
"""The most bytes that a file of fixes may hold."""
_MOST = 20
"""How many lines an error names at most."""
_READ = ("path", "split", "label", "new_label", "leave_out")
"""The columns that are read. The reason is for people."""


@dataclass(frozen=True)
class Fix:
    """A row of fixes.csv: what to do with an image. Its fields are the columns, in this order."""

    split: str
    """``train``, ``eval`` or ``test``."""
    path: str
    """The name of the image, as predictions.csv has it."""
    label: str
    """The class that the dataset gives it."""
    new_label: str = ""
    """The class that it has instead; empty: the same."""
    leave_out: str = ""
    """``yes`` or empty."""
    reason: str = ""
    """For people."""


COLUMNS = tuple(item.name for item in fields(Fix))


def write_fixes(path: Path, fixes: Iterable[Fix]) -> None:
    """Write a file of fixes.

    Every cell is in quotes: a name may begin with a blank.

    Raises:
        UnwritableError: the file cannot be written.
    """
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerow(COLUMNS)
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(map(astuple, fixes))
    write_whole(path, text.getvalue())


def read_fixes(file: str) -> dict[str, Fix]:
    """Where each fix is (``line 2``) → the fix. Its image is not looked for.

    Raises:
        DataError: the file cannot be read, or a line of it says nothing that can be done.
    """
    try:
        data = read_regular(file, _MOST_BYTES)
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}; set data.fixes") from error
    table = read_csv(file, data, _READ)
    if problems := [*_column_problems(table.columns)]:
        raise failure(file, problems)
    problems, fixes = [*table.problems], {}
    for where, (path, *cells) in table.rows:
        split, label, new_label, leave_out = cells
        fix = Fix(split.strip().lower(), path, label, new_label, leave_out.strip().lower())
        fixes[where] = fix
        problems += [f"{where}: {problem}" for problem in _problems(fix)]
    check_lines(file, problems)
    return fixes


def check_lines(file: str, problems: Sequence[str]) -> None:
    """Check that no line has a problem.

    Raises:
        DataError: names the first of them.
    """
    if problems:
        more = len(problems) - _MOST
        rest = [f"{more} more lines have problems"] if more > 0 else []
        raise failure(file, [*problems[:_MOST], *rest])


def _column_problems(columns: Sequence[str]) -> Iterable[str]:
    if missing := [name for name in _READ if name not in columns]:
        yield (
            f"it must have the columns {', '.join(COLUMNS)}, got no {listed(missing)}; "
            f"{nearest(missing[0], columns)}"
        )
    for name in _READ:
        if columns.count(name) > 1:
            count = columns.count(name)
            yield f"the column {name!r} is there {count} times; rename all but one"


def _problems(fix: Fix) -> Iterable[str]:
    """What is wrong with a row, whatever the images are."""
    if fix.split not in ("train", "eval", "test"):
        yield f"split must be train, eval or test, got {fix.split!r}"
    if not fix.path.strip():
        yield "it has no path"
    if fix.leave_out not in ("", "yes"):
        yield f"leave_out must be yes or empty, got {fix.leave_out!r}"
    elif fix.leave_out and fix.new_label.strip():
        yield "an image is either left out or has a new_label; write one of them"
