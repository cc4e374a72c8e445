"""Read the columns of a CSV file as text: of a list of images, or of a list of fixes."""

import csv
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO, TextIOWrapper
from itertools import islice

from tlf.data.listing.compact import growing
from tlf.data.listing.records import Row, Rows
from tlf.errors import DataError

_SEPARATORS = ",;\t"


@dataclass(frozen=True)
class Table:
    """What is read of a table."""

    columns: Sequence[str]
    """The names of all its columns."""
    rows: Sequence[Row]
    """Where each row is (``line 2``), and its cells in the wanted columns, as far as there are
    such columns."""
    problems: Sequence[str] = ()
    """What is wrong with rows that are left out."""


def read_csv(file: str, data: bytes, wanted: Sequence[str]) -> Table:
    """The cells of the wanted columns: of paths first, the only ones that may hold line ends.

    Raises:
        DataError: the file is empty, or no CSV in UTF-8.
    """
    try:
        text = data.decode("utf-8-sig")
        if "\0" in text[:2]:
            raise DataError(
                f"{file} must be UTF-8, got zero bytes, as UTF-16 has; save it as UTF-8"
            )
        separator, announced = _separator(text)
        del text  # it is decoded line by line: all lines as lists of cells would take much memory
    except UnicodeDecodeError as error:
        raise DataError(f"{file} must be UTF-8; save it as UTF-8 ({error})") from error
    lines = islice(_lines(file, data, separator), announced, None)
    heading = next(lines, None)
    if heading is None:
        raise DataError(f"{file} is empty; its first line must name the columns")
    columns = [cell.strip() for cell in heading[1]]
    if len(columns) == 1:
        raise DataError(
            f"{file} must have columns of paths and of classes, got one column, {columns[0]!r}; "
            "separate columns by commas, semicolons or tabs, or write a first line such as sep=|"
        )
    indices = [columns.index(name) for name in wanted if name in columns]
    problems: list[str] = []
    numbers, found = array("q"), [growing() for _ in indices]
    for number, cells in lines:
        if problem := _misfit(cells, columns, indices):
            problems.append(f"line {number} {problem}")
            continue
        numbers.append(number)
        for column, index in zip(found, indices, strict=True):
            column.append(cells[index])
    return Table(columns, Rows("line", numbers, found), problems)


def _lines(file: str, data: bytes, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not empty, with their numbers.

    Raises:
        DataError: the file is no CSV.
    """
    text = TextIOWrapper(BytesIO(data), encoding="utf-8-sig", newline="")
    reader = csv.reader(text, delimiter=separator, skipinitialspace=True)
    try:
        for cells in reader:
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise DataError(f"{file} is no CSV file: {error}") from error


def _separator(text: str) -> tuple[str, int]:
    r"""What separates columns, and how many lines say it: spreadsheets write ``sep=;`` first.

    >>> _separator("sep=|\npath|label"), _separator('"path, or file";label')
    (('|', 1), (';', 0))
    """
    first = next((line for line in StringIO(text) if line.strip()), "")
    if announced := re.fullmatch(r'"?sep=(.)"?,*', first.rstrip("\r\n"), re.IGNORECASE):
        return announced[1], 1
    unquoted = re.sub('"[^"]*"', "", first)
    return max(_SEPARATORS, key=unquoted.count), 0


def _misfit(cells: Sequence[str], columns: Sequence[str], indices: Sequence[int]) -> str | None:
    if len(cells) <= max(indices, default=0):
        return f"has too few columns: {len(cells)}"
    if any(cells[len(columns) :]):
        return f"has too many columns: {len(cells)}; put a cell that holds a separator in quotes"
    # Only a path may hold a line break. Else a quote was not closed, and took in the next lines.
    if any(re.search(r"[\r\n]", cells[index].strip()) for index in indices[1:]):
        return 'ends a cell of several lines; close the quote (") before it'
    return None
