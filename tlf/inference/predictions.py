"""Predictions: one record for each image, and CSV tables of them, written and read."""

import csv
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from math import isfinite
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tlf.data.listing.compact import growing
from tlf.errors import RunError, WeightsError
from tlf.inference.prediction import EXACT, Prediction, exact_each
from tlf.inference.tables import FORMS, Form, form_of
from tlf.inference.tables.damaged import Damaged
from tlf.metrics.predicted import AnyPredicted
from tlf.runtime.files import near_runs, with_absolute
from tlf.runtime.regular_file import check_regular
from tlf.runtime.strict_json import dumps
from tlf.runtime.text import printable
from tlf.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor

    from tlf.inference.calibrated import Calibrated
    from tlf.inference.train_images import TrainImages

_ROWS = 256
"""Images whose probabilities become lists at once."""


def predictions(
    paths: Sequence[str | None],
    probabilities: "Tensor",
    classes: Sequence[str],
    task: Task,
    calibrated: "Calibrated | None" = None,
) -> Iterator[Prediction]:
    """One prediction for each image. ``probabilities``: (N, K).

    Raises:
        WeightsError: the model gives a probability that is not finite.
    """
    thresholds = None if calibrated is None else calibrated.thresholds
    labels = task.predicted(probabilities, _limits(probabilities, thresholds))
    form, rows = form_of(labels.ndim), _finite(paths, probabilities)
    for path, label, figures in zip(paths, labels.tolist(), rows, strict=True):
        by_class = dict(zip(classes, figures, strict=True))
        yield form.prediction(path, by_class, label, calibrated)


def _limits(probabilities: "Tensor", thresholds: Sequence[float] | None) -> "Tensor | None":
    return None if thresholds is None else probabilities.new_tensor(thresholds)


def _finite(paths: Sequence[str | None], probabilities: "Tensor") -> Iterator[list[float]]:
    """The probabilities of each image. As lists, all numbers of very many images would take eight
    times their memory.
    """
    for start in range(0, len(probabilities), _ROWS):
        part = probabilities[start : start + _ROWS]
        sound = part.isfinite().all(1).tolist()
        for number, figures in enumerate(part.tolist()):
            if not sound[number]:
                name = paths[start + number] or "an image"
                figure = next(figure for figure in figures if not isfinite(figure))
                raise WeightsError(
                    f"the probabilities of {name} must be finite, got {figure}: "
                    "the model's weights are too large, or not finite; name another run"
                )
            yield figures


def compared(
    predictions: Iterable[Prediction], embeddings: "Tensor", images: "TrainImages", nearest: int
) -> Iterator[Prediction]:
    """The predictions for images, which are compared with the train images.

    Parameters:
        predictions: one for each image.
        embeddings: of the images (N, F).
        images: the train images.
        nearest: how many of them each prediction names.
    """
    similarities = images.similarities(embeddings)
    unlike, near = images.unlike(similarities), images.nearest(similarities, nearest)
    for one, alone, names in zip(predictions, unlike, near, strict=True):
        yield replace(one, unlike=alone, nearest=names)


def row(prediction: Prediction) -> dict[str, str]:
    """A prediction as a row of a table.

    Control characters in names are escaped. A name that begins with ``=``, ``+``, ``-`` or ``@``
    stays as it is: a program must find the image by it. A spreadsheet would take it for a formula,
    so import the table as text there.

    >>> row(Prediction("ant", 0.75, {"ant": 0.75, "bee": 0.25}, "a.jpg"))
    {'path': 'a.jpg', 'predicted': 'ant', 'p_ant': '0.75', 'p_bee': '0.25'}
    """
    columns = map(_column, prediction.probabilities)
    figures = exact_each(prediction.probabilities.values())
    return {
        "path": printable(prediction.path or ""),
        **cells(prediction.answer),
        **dict(zip(columns, figures, strict=True)),
        **doubts(prediction),
    }


def cells(named: Mapping[str, str | list[str]]) -> dict[str, str]:
    """Labels as cells of a table; several are a JSON list, as labels may hold any character.

    >>> cells({"label": "ant", "labels": ["ant", "bee; wasp"]})
    {'label': 'ant', 'labels': '["ant", "bee; wasp"]'}
    """
    return {
        column: printable(value) if isinstance(value, str) else _listed(value)
        for column, value in named.items()
    }


def _listed(names: Iterable[str]) -> str:
    return dumps([printable(name) for name in names], ensure_ascii=False)


def doubts(prediction: Prediction) -> dict[str, str]:
    """What a run can say of doubts and of train images, as columns of a table. A set of labels is a
    JSON list, as labels may hold any character.

    >>> doubts(Prediction("ant", 0.5, {}, kept=("ant", "bee"), unlike=False))
    {'unsure': '["ant", "bee"]', 'unlike': ''}
    """
    found: dict[str, str] = {}
    if prediction.kept is not None:
        found["unsure"] = _listed(prediction.kept) if prediction.unsure else ""
    if prediction.unlike is not None:
        found["unlike"] = "yes" if prediction.unlike else ""
    for place, near in enumerate(prediction.nearest, 1):
        end = "" if place == 1 else f"_{place}"
        found |= {
            f"nearest{end}": printable(near.name),
            f"nearest_label{end}": printable(near.label),
            f"similarity{end}": f"{near.similarity:.6f}",
        }
    return found


@lru_cache(maxsize=100_000)
def _column(name: str) -> str:
    """The column of a class's probabilities."""
    return f"p_{printable(name)}"


def write_csv(
    path: Path,
    names: Sequence[str],
    probabilities: "Tensor",
    classes: Sequence[str],
    labels: "Tensor",
    task: Task,
    thresholds: Sequence[float] | None = None,
) -> None:
    """Write the predictions for labelled images as CSV. ``thresholds``: of each class, where the
    task has such.
    """
    said = task.predicted(probabilities, _limits(probabilities, thresholds))
    write_table(path, names, probabilities, classes, labels, said)


def write_table(
    path: Path,
    names: Sequence[str],
    probabilities: "Tensor",
    classes: Sequence[str],
    labels: "Tensor",
    said: "Tensor",
) -> None:
    """Write what is predicted for labelled images as CSV. ``said`` has the form of the labels."""
    form, rows = form_of(labels.ndim), _finite(names, probabilities)
    every = zip(names, labels.tolist(), said.tolist(), rows, strict=True)
    written = f",{EXACT}" * len(classes) + "\n"  # at once: one by one takes several times as long
    with path.open("w", encoding="utf-8", newline="") as file:
        begin = csv.writer(file, lineterminator="")
        begin.writerow(["path", *form.COLUMNS, *map(_column, classes)])
        file.write("\n")
        for name, label, given, figures in every:
            known = {**form.truth(label, classes), **form.answer(given, classes, figures)}
            begin.writerow([printable(name), *cells(known).values()])
            file.write(written % (*figures,))


def read_predictions(path: str | PathLike[str]) -> AnyPredicted:
    """Read a table of labelled images, such as a run's ``predictions.csv``. Its header says whether
    images have one label or any number.

    Names are as in the table, where control characters are escaped (``printable``). Tables with six
    decimals, which earlier versions wrote, are read, too.

    Raises:
        RunError: there is no such table, or a line of it is damaged.
    """
    path = Path(path)
    rows = _rows(path)
    form, classes = _header(path, *next(rows, (1, [])))
    index = {name: number for number, name in enumerate(classes)}
    table = _Table(form)
    for line, row in rows:
        _add(table, path, line, row, index, form)
    if not table.lines:
        raise RunError(
            f"{with_absolute(path)} must hold at least one image, got none; name another table"
        )
    try:
        return form.predicted(table.names, table.labels, table.said, table.figures, classes)
    except Damaged as damaged:
        _refuse(path, table.lines[damaged.image], str(damaged))


class _Table:
    """What a table says of its images, without a Python object for each: there may be a million."""

    def __init__(self, form: Form) -> None:
        self.lines, self.names, self.figures = array("q"), growing(), array("d")
        self.labels: array[int] = array(form.TYPECODE)
        self.said: array[int] = array(form.TYPECODE)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table, each with the number of its line."""
    try:
        check_regular(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            yield from ((reader.line_num, row) for row in reader if row)
    except FileNotFoundError:
        raise RunError(
            f"there is no {with_absolute(path)}; name the table of a run that has ended"
            f"{near_runs(path)}"
        ) from None
    except OSError as error:
        raise RunError(
            f"cannot read {with_absolute(path)}: {error.strerror}; name another table"
        ) from error
    except UnicodeDecodeError:
        raise RunError(f"{with_absolute(path)} must be text in UTF-8; name another table") from None
    except csv.Error as error:
        _refuse(path, reader.line_num, f"must be CSV, got: {error}")


def _header(path: Path, line: int, columns: Sequence[str]) -> tuple[Form, tuple[str, ...]]:
    """How a table writes labels, and the classes that its columns name."""
    form = next((one for one in FORMS if ("path", *one.COLUMNS) == (*columns[:3],)), None)
    if form is None or not columns[3:]:
        shown = ",".join(columns[:5])[:100]
        forms = " or ".join(f"path,{','.join(one.COLUMNS)},p_CLASS,p_CLASS …" for one in FORMS)
        _refuse(path, line, f"must be {forms}, got {shown!r}")
    for column, times in Counter(columns[3:]).items():
        if not column.startswith("p_") or times > 1:
            _refuse(path, line, f"must name each class once, after p_, got {column!r}")
    return form, tuple(column.removeprefix("p_") for column in columns[3:])


def _add(
    table: _Table, path: Path, line: int, row: Sequence[str], index: Mapping[str, int], form: Form
) -> None:
    """Add the image of a row to a table."""
    if len(row) != len(index) + 3:
        _refuse(path, line, f"must have {len(index) + 3} values, got {len(row)}")
    name, label, said = row[:3]
    try:
        table.labels.extend(form.parsed(label, index))
        table.said.extend(form.parsed(said, index))
    except ValueError as error:
        _refuse(path, line, str(error))
    try:
        table.figures.extend(map(float, row[3:]))
    except ValueError as error:
        _refuse(path, line, f"must have numbers from its fourth value on, got: {error}")
    table.lines.append(line)
    table.names.append(name)


def _refuse(path: Path, line: int, told: str) -> NoReturn:
    raise RunError(
        f"line {line} of {with_absolute(path)} {told}: the table is damaged, or another one; copy "
        "it again, or name another table"
    )
