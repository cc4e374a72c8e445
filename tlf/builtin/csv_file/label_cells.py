"""The cells of a row that say its classes, made one cell as a row of one class has it."""

from collections.abc import Sequence
from dataclasses import replace

from tlf.data.csv_table import Table
from tlf.data.label_sets.as_text import is_name, text_of
from tlf.data.splitting.flags import MARKS


def with_one_label(table: Table, columns: Sequence[str], separator: str) -> Table:
    """The table with one cell behind the path: the text of all classes of the image.

    Parameters:
        table: its rows have the path, the cells of ``columns``, and others.
        columns: a column for each class, of 0 and 1; or the one that holds all names.
        separator: between the names of one cell; empty where columns are classes.
    """
    rows, problems = [], [*table.problems]
    for where, (path, *cells) in table.rows:
        own, others = cells[: len(columns)], cells[len(columns) :]
        if separator:
            names = [name for name in map(str.strip, own[0].split(separator)) if name]
            problems += [
                f"{where}: the name of a class must not hold ';', got {name!r}; rename it, or "
                "write data.label_separator = ';'"
                for name in names
                if not is_name(name)
            ]
        else:
            names, wrong = _marked(columns, own)
            problems += [f"{where}: {problem}" for problem in wrong]
        rows.append((where, [path, text_of(names), *others]))
    return replace(table, rows=rows, problems=problems)


def _marked(columns: Sequence[str], cells: Sequence[str]) -> tuple[list[str], list[str]]:
    """The columns that hold 1, and a sentence for each cell that holds neither 0 nor 1."""
    values = {
        name: MARKS.get(cell.strip().casefold()) for name, cell in zip(columns, cells, strict=True)
    }
    wrong = [
        f"the column {name!r} must hold 0 or 1, got {cell!r}"
        for name, cell in zip(columns, cells, strict=True)
        if values[name] is None
    ]
    return [name for name, value in values.items() if value], wrong
