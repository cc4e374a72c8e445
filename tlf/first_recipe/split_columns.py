"""Which column of a table says the splits, and which others look as if they did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tlf.data.splits import EVAL_NAMES, listed
from tlf.data.splitting.flags import split_flags

_NAMES = ("split", "splits", "set", "subset", "partition", "fold", "folds")
"""Usual names of the column of splits, beside those such as ``is_valid``."""


@dataclass(frozen=True)
class SplitColumns:
    """What is known of the splits of a table."""

    used: str | None
    """The column that says them, if there is one."""
    test: str | None
    """Its value that is the test split, where there is an eval split beside it."""
    alike: tuple[str, ...]
    """All columns that look like splits. None of them holds classes."""
    told: tuple[str, ...]
    """What the used one says: a sentence, if there is one."""
    warnings: tuple[str, ...]
    """A sentence for each of the others."""


def split_columns(cells: Mapping[str, Sequence[str]]) -> SplitColumns:
    """Find the column of splits: the one that names the most of them.

    Parameters:
        cells: column → its cells, of those that may be one.
    """
    said = {name: _said(name, column) for name, column in cells.items()}
    alike = [
        name
        for name in cells
        # A column by itself is that of the classes, whatever it is called.
        if said[name] or (len(cells) > 1 and name.casefold() in _NAMES) or split_flags(name)
    ]
    used = max(filter(said.__getitem__, alike), key=lambda name: _worth(said[name]), default=None)
    evaluated = _evaluated(said[used]) if used is not None else []
    return SplitColumns(
        used,
        "test" if len(evaluated) > 1 and "test" in evaluated else None,
        tuple(alike),
        () if used is None else (_told(used),),
        tuple(_unused(name, cells[name], said[name], used) for name in alike if name != used),
    )


def _said(name: str, column: Sequence[str]) -> set[str]:
    """The splits that a column names; empty where it does not say train and eval in each row."""
    flags = split_flags(name)
    names = {flags.get(cell, cell) for cell in map(str.casefold, column)}
    return names if "train" in names and len(names) > 1 and not _others(names) else set()


def _others(names: set[str]) -> set[str]:
    return names - {"train", *EVAL_NAMES}


def _evaluated(names: set[str]) -> list[str]:
    return [name for name in EVAL_NAMES if name in names]


def _worth(names: set[str]) -> tuple[int, int]:
    """The more splits, the better; and an eval split is better than a test split alone."""
    return len(names), -EVAL_NAMES.index(_evaluated(names)[0])


def _told(used: str) -> str:
    flags = split_flags(used)
    how = f": true or 1 is {flags['1']}, false or 0 is {flags['0']}" if flags else ""
    return f"The column {used!r} says the splits{how}."


def _unused(name: str, column: Sequence[str], said: set[str], used: str | None) -> str:
    """Why a column that looks like a split is not used."""
    if said:
        why = f"A recipe takes one column of splits, and {used!r} is it."
    else:
        shown = listed(sorted({cell.casefold() for cell in column}), 3)
        why = f"It does not name train and val: it holds {shown}."
    return f"The column {name!r} looks like splits, and is not used. {why}"
