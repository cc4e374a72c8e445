"""Write predictions as a table, CSV or JSON lines: each line as soon as its image is classified."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from shutil import get_terminal_size
from typing import TextIO

from rich.cells import cell_len

from tlf.inference.prediction import Prediction, exact
from tlf.inference.predictions import cells, doubts, row
from tlf.runtime.strict_json import dumps
from tlf.runtime.text import printable, shortened

Write = Callable[[Iterable[Prediction], TextIO, int | None], None]
"""Writes predictions to a file, with so many of the most probable classes; None: as is usual."""

SEEN = 32
"""The widths of the table's columns are decided by so many images, which come in one batch."""

FEW = 5
"""So many labels of a set are named in a table."""

NARROW = 16
"""A path or a label is shortened to so many cells, where a terminal is too narrow for it."""


def write_table(predictions: Iterable[Prediction], file: TextIO, top: int | None) -> None:
    """Write a table for people. By default it shows the prediction and the runner-up.

    A terminal gets columns that fit it: long paths are shortened in the middle, then labels. What a
    person should doubt stands in a line below. A file gets full values, and doubts in a column. A
    line for each of the nearest train images follows, where they were asked for.
    """
    predictions = iter(predictions)
    begin = [*islice(predictions, SEEN)]
    header = ["path", *chain(*((title, "probability") for title, _ in begin[0].shown(top)))]
    room = get_terminal_size().columns if file.isatty() else None
    noted = room is None and _has_notes(begin[0])
    header += ["note"] if noted else []
    shown = [header, *(_cells(prediction, top, noted=noted) for prediction in begin)]
    widths = _widths(shown, [*begin[0].probabilities], room)
    _write(file, _aligned(header, widths))
    for prediction in chain(begin, predictions):
        cells = _cells(prediction, top, noted=noted)
        if room is not None:
            cells = [shortened(cell, width) for cell, width in zip(cells, widths, strict=True)]
        _write(file, _aligned(cells, widths))
        for line in _lines_below(prediction, noted=noted):
            _write(file, line if room is None else shortened(line, room))


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
    """Write a JSON object for each image: what ``Prediction.as_json`` has.

    It is ASCII, so a file may have any encoding, and a path whose bytes are not UTF-8 comes back
    from it unchanged.
    """
    for prediction in predictions:
        _write(file, dumps(prediction.as_json(top)))


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
    """The most probable classes as a row: ``predicted``, ``probability``, ``predicted_2`` …; where
    an image has any number of labels: ``predicted_labels``, ``class``, ``probability`` ….
    """
    found = {"path": printable(prediction.path or ""), **cells(prediction.answer)}
    for place, (name, probability) in enumerate(prediction.top(count), 1):
        end = "" if place == 1 else f"_{place}"
        found |= {
            f"{prediction.ranked}{end}": printable(name), f"probability{end}": exact(probability)
        }  # fmt: skip
    return found | doubts(prediction)


# The table


def _has_notes(prediction: Prediction) -> bool:
    return prediction.kept is not None or prediction.unlike is not None


def _note(prediction: Prediction) -> str:
    """What a person should doubt in a prediction.

    >>> _note(Prediction("a", 0.4, {"a": 0.4, "b": 0.3, "c": 0.3}, kept=("a", "b"), unlike=True))
    'unlike training; unsure: a, b'
    """
    notes = ["unlike training"] if prediction.unlike else []
    if prediction.unsure and prediction.kept is not None:
        labels = [printable(name) for name in prediction.kept]
        more = [f"and {len(labels) - FEW} more"] if len(labels) > FEW else []
        notes.append(f"unsure: {', '.join([*labels[:FEW], *more]) or 'none is probable enough'}")
    return "; ".join(notes)


def _cells(prediction: Prediction, top: int | None, *, noted: bool) -> list[str]:
    """The path, and in turn the classes of a column and their probabilities.

    >>> from tlf.inference.prediction import MultiLabelPrediction
    >>> two = {"ant": 0.75, "bee": 0.5}
    >>> _cells(MultiLabelPrediction("ant", 0.75, two, "x", labels=("ant", "bee")), 1, noted=False)
    ['x', 'ant; bee', '0.7500; 0.5000', 'ant', '0.7500']
    """
    columns = (
        (
            "; ".join(printable(name) for name, _ in classes) or "–",
            "; ".join(f"{figure:.4f}" for _, figure in classes),
        )
        for _, classes in prediction.shown(top)
    )
    notes = [_note(prediction)] if noted else []
    return [printable(prediction.path or ""), *chain(*columns), *notes]


def _lines_below(prediction: Prediction, *, noted: bool) -> Iterator[str]:
    """Lines that follow the one of an image. ``noted``: whether that has the note."""
    if not noted and (note := _note(prediction)):
        yield f"  {note}"
    for near in prediction.nearest:
        yield f"  {near.similarity:6.4f}  {printable(near.label) or '–'}  {printable(near.name)}"


def _widths(shown: Sequence[Sequence[str]], labels: Sequence[str], room: int | None) -> list[int]:
    """The width of each column.

    Parameters:
        shown: the header and the first lines. The paths to come are not known.
        labels: all labels that may come.
        room: the width of the terminal, if there is one.
    """
    header, count = shown[0], len(shown[0]) // 2
    widths = [max(map(cell_len, column)) for column in zip(*shown, strict=True)]
    if room is None:
        return widths
    longest = max(cell_len(printable(name)) for name in labels)
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
    return "  ".join(parts).rstrip(" ")
