"""The images of a table, one in each row, and what is wrong with them."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tlf.data.csv_table import Table
from tlf.data.listing.compact import GrowingNames, growing
from tlf.data.listing.progress import report_listed
from tlf.data.listing.records import Records, repeated_hashes
from tlf.data.splitting.flags import split_flags
from tlf.runtime.text import printable

UNLABELLED = "has no label"
"""How the problem of a row without a label ends."""
_MOST = 20
"""How many lines an error names at most."""


@dataclass(frozen=True)
class ListedImage:
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
    values: tuple[str, ...]
    """Of the other columns that are wanted."""


def renamed(rows: Iterable[ListedImage]) -> dict[str, str]:
    """Path as the list has it → as the disk has it, where these differ."""
    return {row.path: row.file for row in rows if row.path != row.file}


def rows_of(table: Table, root: str, known: Sequence[str], split: str) -> Sequence[ListedImage]:
    """The images. ``split``: the column of splits, which stands behind the label; empty: there is
    none, and all are ``train``.
    """
    rows, flags = Records(ListedImage), split_flags(split)
    for done, (where, (cell, label, *others)) in enumerate(table.rows, start=1):
        path, file = _found(root, cell)
        part = others.pop(0).strip() if split else "train"
        part = flags.get(part.casefold(), part)
        part = part.casefold() if part.casefold() in known else part
        there = file is not None
        rows.append(ListedImage(where, path, file or path, there, label.strip(), part, (*others,)))
        report_listed("images", done, done, len(table.rows))
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


def incomplete(rows: Sequence[ListedImage], known: Sequence[str]) -> list[str]:
    """A sentence for each row without a path or a label, or with an unknown split."""
    problems = []
    for row in rows:
        if not row.path or not row.label:
            problems.append(f"{row.where} {UNLABELLED if row.path else 'has no path'}")
        if row.split not in known:
            names, got = (
                ", ".join(known),
                repr(row.split) if row.split else "an empty cell; fill it",
            )
            problems.append(f"{row.where}: the split must be one of {names}, got {got}")
    return problems


def doubled(rows: Iterable[ListedImage], root: str) -> list[str]:
    """A sentence for each file that is listed again, however its path is written."""
    first: dict[str, ListedImage] = {}
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
    return [*capped(problems, "are listed again"), *(["list each image once"] * bool(problems))]


def _place(root: str, row: ListedImage) -> str:
    return os.path.abspath(os.path.join(root, row.file))


def missing(rows: Iterable[ListedImage], root: str) -> list[str]:
    """A sentence for each file that is not there."""
    problems = [
        f"{row.where}: there is no file {printable(os.path.join(root, row.path))}"
        for row in rows
        if row.path and not row.exists
    ]
    problems = capped(problems, "files are missing")
    where = printable(os.path.abspath(root))
    return [*problems, f"paths start from {where}; set data.root"] if problems else []


def capped(problems: list[str], rest: str) -> list[str]:
    """The first problems, and how many more there are: ``rest`` says of what."""
    more = len(problems) - _MOST
    return [*problems[:_MOST], f"{more} more {rest}"] if more > 0 else problems


def grouped(rows: Iterable[ListedImage]) -> dict[str, dict[str, GrowingNames]]:
    """Split → class → images."""
    groups: dict[str, dict[str, GrowingNames]] = {}
    for row in rows:
        of_split = groups.setdefault(row.split, {})
        if row.label not in of_split:
            of_split[row.label] = growing()
        of_split[row.label].append(row.path)
    return groups
