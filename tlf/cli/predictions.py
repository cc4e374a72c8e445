"""Write predictions as a table, CSV or JSON lines: each line as soon as its image is classified."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, islice
from shutil import get_terminal_size
from typing import TextIO

from rich.cells import cell_len

from tlf.inference.predictions import Prediction, exact, row
from tlf.runtime.strict_json import dumps
from tlf.runtime.text import printable, shortened

Write = Callable[[Iterable[Prediction], TextIO, int | None], None]
"""Writes predictions to a file, with so many of the most probable classes; None: as is usual."""

SEEN = 32
"""The widths of the table's columns are decided by so many images, which come in one batch."""

NARROW = 16
"""A path or a label is shortened to so many cells, where a terminal is too narrow for it."""


def write_table(predictions: Iterable[Prediction], file: TextIO, top: int | None) -> None:
    """Write a table for people. By default it shows the prediction and the runner-up.

    A terminal gets columns that fit it: long paths are shortened in the middle, then labels. A file
    gets full values.
    """
    predictions = iter(predictions)
    begin = [*islice(predictions, SEEN)]
    count = min(2 if top is None else top, len(begin[0].probabilities))
    header = ["path", *chain(*((title, "probability") for title in _titles(count)))]
    terminal = file.isatty()
    widths = _widths(begin, header, get_terminal_size().columns if terminal else None)
    _write(file, _aligned(header, widths))
    for prediction in chain(begin, predictions):
        cells = _cells(prediction, count)
        if terminal:
            cells = [shortened(cell, width) for cell, width in zip(cells, widths, strict=True)]
        _write(file, _aligned(cells, widths))


def write_csv(predictions: Iterable[Prediction], file: TextIO, top: int | None) -> None:
    """Write CSV: the probability of every class, or the ``top`` classes, each with its own."""
    writer = None
    for prediction in predictions:
        line = row(prediction) if top is None else _top_row(prediction, top)
        if writer is None:
            writer = csv.DictWriter(file, [*line], lineterminator="\n")
            writer.writeheader()
        writer.writerow(line)
        file.flush()


def write_json_lines(predictions: Iterable[Prediction], file: TextIO, top: int | None) -> None:
    """Write a JSON object for each image: path, predicted class, class → probability. With ``top``,
    the most probable classes in falling order, otherwise all in the order of the model.

    It is ASCII, so a file may have any encoding, and a path whose bytes are not UTF-8 comes back
    from it unchanged.
    """
    for prediction in predictions:
        shown = prediction.probabilities if top is None else dict(prediction.top(top))
        line = {
            "path": prediction.path,
            "predicted": prediction.label,
            "probabilities": {name: float(exact(figure)) for name, figure in shown.items()},
        }
        _write(file, dumps(line))


WRITERS: Mapping[str, Write] = {
    "table": write_table,
    "csv": write_csv,
    "jsonl": write_json_lines,
}


def _write(file: TextIO, line: str) -> None:
    """Write a line that the reader of a pipe gets at once."""
    file.write(f"{line}\n")
    file.flush()


def _top_row(prediction: Prediction, count: int) -> dict[str, str]:
    """The most probable classes as a row: ``predicted``, ``probability``, ``predicted_2`` …."""
    found = {"path": printable(prediction.path or "")}
    for place, (name, probability) in enumerate(prediction.top(count), 1):
        end = "" if place == 1 else f"_{place}"
        found |= {f"predicted{end}": printable(name), f"probability{end}": exact(probability)}
    return found


# The table


def _titles(count: int) -> list[str]:
    """What the columns of labels are called.

    >>> _titles(4)
    ['prediction', 'runner-up', 'third', '4th']
    """
    names = ["prediction", "runner-up", "third"]
    return [*names[:count], *(f"{place}th" for place in range(4, count + 1))]


def _cells(prediction: Prediction, count: int) -> list[str]:
    best = ((printable(name), f"{figure:.4f}") for name, figure in prediction.top(count))
    return [printable(prediction.path or ""), *chain(*best)]


def _widths(begin: Sequence[Prediction], header: Sequence[str], room: int | None) -> list[int]:
    """The width of each column. ``room``: that of the terminal, if there is one.

    The labels to come are known, the paths are not.
    """
    count = len(header) // 2
    shown = [header, *(_cells(prediction, count) for prediction in begin)]
    widths = [max(map(cell_len, column)) for column in zip(*shown, strict=True)]
    if room is None:
        return widths
    longest = max(cell_len(printable(name)) for name in begin[0].probabilities)
    widths[1::2] = [max(width, longest) for width in widths[1::2]]
    room -= 2 * (len(widths) - 1)
    for column in (0, *range(2 * count - 1, 0, -2)):  # the path, the last label, …, the prediction
        least = min(widths[column], max(NARROW, cell_len(header[column])))
        widths[column] = max(least, widths[column] - max(0, sum(widths) - room))
    return widths


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """A line of the table: names begin in one column, probabilities end in one."""
    parts = []
    for number, (text, width) in enumerate(zip(cells, widths, strict=True)):
        blanks = " " * (width - cell_len(text))
        parts.append(blanks + text if number and number % 2 == 0 else text + blanks)
    return "  ".join(parts)
