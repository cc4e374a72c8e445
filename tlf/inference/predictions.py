"""Predictions: one record for each image, and CSV tables of them, written and read."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from heapq import nlargest
from itertools import chain
from math import isfinite
from operator import itemgetter
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tlf.errors import RunError, WeightsError
from tlf.metrics.predicted import Predicted
from tlf.runtime.files import near_runs, with_absolute
from tlf.runtime.regular_file import check_regular
from tlf.runtime.strict_json import dumps
from tlf.runtime.text import printable
from tlf.tasks import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from tlf.inference.calibrated import Calibrated
    from tlf.inference.train_images import TrainImages
    from tlf.results import Neighbour


@dataclass(frozen=True)
class Prediction:
    """The prediction for one image."""

    label: str
    """The most probable class."""
    probability: float
    """The probability of that class."""
    probabilities: Mapping[str, float] = field(repr=False)
    """Class → probability, in the order of the logits; they sum to 1."""
    path: str | None = None
    """The path of the image, if it was given by path."""
    kept: tuple[str, ...] | None = None
    """The labels that are probable enough to be kept, the best first: the true one is among them at
    the rate of the run's ``coverage``. None where the model's file has no threshold."""
    unlike: bool | None = None
    """Whether the image is unlike all train images. None where that is not known or not asked."""
    nearest: tuple["Neighbour", ...] = field(default=(), repr=False)
    """The train images that are most similar to it, if they were asked for."""

    @property
    def unsure(self) -> bool:
        """Whether not exactly one label is kept: several are probable enough, or none is."""
        return self.kept is not None and len(self.kept) != 1

    def top(self, count: int) -> list[tuple[str, float]]:
        """The most probable classes with their probabilities, ``count`` at most.

        >>> Prediction("ant", 0.6, {"bee": 0.3, "ant": 0.6, "fly": 0.1}).top(2)
        [('ant', 0.6), ('bee', 0.3)]
        """
        return nlargest(count, self.probabilities.items(), key=itemgetter(1))


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
    labels = task.predicted(probabilities).tolist()
    # Part by part: all numbers of very many images would take eight times their memory as lists.
    parts = (probabilities[n : n + 256].tolist() for n in range(0, len(probabilities), 256))
    for path, label, row in zip(paths, labels, chain.from_iterable(parts), strict=True):
        for figure in row:
            if not isfinite(figure):
                raise WeightsError(
                    f"the probabilities of {path or 'an image'} must be finite, got {figure}: "
                    "the model's weights are too large, or not finite; name another run"
                )
        by_class, name = dict(zip(classes, row, strict=True)), task.names(label, classes)
        kept = None if calibrated is None else calibrated.kept(by_class)
        yield Prediction(name, by_class[name], by_class, path, kept)


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


def row(prediction: Prediction, label: str | None = None) -> dict[str, str]:
    """A prediction as a row of a table. ``label``: the true class, if it is known.

    Control characters in names are escaped. A name that begins with ``=``, ``+``, ``-`` or ``@``
    stays as it is: a program must find the image by it. A spreadsheet would take it for a formula,
    so import the table as text there.

    >>> row(Prediction("ant", 0.75, {"ant": 0.75, "bee": 0.25}, "a.jpg"), label="bee")
    {'path': 'a.jpg', 'label': 'bee', 'predicted': 'ant', 'p_ant': '0.75', 'p_bee': '0.25'}
    """
    return {
        "path": printable(prediction.path or ""),
        **({} if label is None else {"label": printable(label)}),
        "predicted": printable(prediction.label),
        **{
            _column(name): exact(probability)
            for name, probability in prediction.probabilities.items()
        },
        **doubts(prediction),
    }


def doubts(prediction: Prediction) -> dict[str, str]:
    """What a run can say of doubts and of train images, as columns of a table. A set of labels is a
    JSON list, as labels may hold any character.

    >>> doubts(Prediction("ant", 0.5, {}, kept=("ant", "bee"), unlike=False))
    {'unsure': '["ant", "bee"]', 'unlike': ''}
    """
    found: dict[str, str] = {}
    if prediction.kept is not None:
        labels = [printable(name) for name in prediction.kept]
        found["unsure"] = dumps(labels, ensure_ascii=False) if prediction.unsure else ""
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


def exact(probability: float) -> str:
    """A float32 as text, which is read as the same float32: that takes 9 significant digits.

    >>> exact(0.25), exact(0.3333333432674408), exact(1.1920928955078125e-07)
    ('0.25', '0.333333343', '1.1920929e-07')
    """
    return f"{probability:.9g}"


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
) -> None:
    """Write the predictions for labelled images as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        columns = ["path", "label", "predicted", *map(_column, classes)]
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        records = predictions(names, probabilities, classes, task)
        for prediction, label in zip(records, labels.tolist(), strict=True):
            writer.writerow(row(prediction, task.names(label, classes)))


def read_predictions(path: str | PathLike[str]) -> Predicted:
    """Read a table of labelled images, such as a run's ``predictions.csv``.

    Names are as in the table, where control characters are escaped (``printable``). Tables with six
    decimals, which earlier versions wrote, are read, too.

    Raises:
        RunError: there is no such table, or a line of it is damaged.
    """
    import numpy as np

    path = Path(path)
    rows = _rows(path)
    classes = _classes(path, *next(rows, (1, [])))
    index = {name: number for number, name in enumerate(classes)}
    table = [(line, *_parsed(path, line, row, index)) for line, row in rows]
    if not table:
        raise RunError(
            f"{with_absolute(path)} must hold at least one image, got none; name another table"
        )
    lines, names, labels, said, figures = zip(*table, strict=True)
    found = Predicted(names, np.array(labels, dtype=np.int64), np.stack(figures), classes)
    _check_probabilities(path, lines, found)
    _restore_order(path, lines, found, said)
    return found


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


def _classes(path: Path, line: int, columns: Sequence[str]) -> tuple[str, ...]:
    """The classes that the columns of a table name."""
    if [*columns[:3]] != ["path", "label", "predicted"] or not columns[3:]:
        shown = ",".join(columns[:5])[:100]
        _refuse(path, line, f"must be path,label,predicted,p_CLASS,p_CLASS …, got {shown!r}")
    for column, times in Counter(columns[3:]).items():
        if not column.startswith("p_") or times > 1:
            _refuse(path, line, f"must name each class once, after p_, got {column!r}")
    return tuple(column.removeprefix("p_") for column in columns[3:])


def _parsed(
    path: Path, line: int, row: Sequence[str], index: Mapping[str, int]
) -> "tuple[str, int, int, NDArray[np.float64]]":
    """Name, index of the label, index of the predicted class, and probabilities of an image."""
    import numpy as np

    if len(row) != len(index) + 3:
        _refuse(path, line, f"must have {len(index) + 3} values, got {len(row)}")
    name, *of = row[:3]
    for one in of:
        if one not in index:
            _refuse(path, line, f"must name classes that have a column, got {one!r}")
    try:
        figures = np.fromiter(map(float, row[3:]), np.float64, len(index))
    except ValueError as error:
        _refuse(path, line, f"must have numbers from its fourth value on, got: {error}")
    return name, index[of[0]], index[of[1]], figures


def _check_probabilities(path: Path, lines: Sequence[int], found: Predicted) -> None:
    """Each row has numbers from 0 to 1, whose sum is 1 but for what rounding explains."""
    import numpy as np

    sums = found.probabilities.sum(1)
    rounded = 1e-3 + len(found.classes) * 1e-6
    right = (found.probabilities.min(1) >= 0) & (np.abs(sums - 1) <= rounded)
    if not right.all():
        wrong = int(right.argmin())
        told = f"must have probabilities from 0 to 1 whose sum is 1, got the sum {sums[wrong]:g}"
        _refuse(path, lines[wrong], told)


def _restore_order(path: Path, lines: Sequence[int], found: Predicted, said: Sequence[int]) -> None:
    """Let the predicted class be the first of the most probable ones also where six decimals made
    several of them equal: its probability is raised by the least amount.
    """
    import numpy as np

    for image in np.flatnonzero(found.predicted != np.array(said)).tolist():
        figures, best = found.probabilities[image], said[image]
        if figures[best] < figures.max():
            told = f"must predict its most probable class, got {found.classes[best]!r}"
            _refuse(path, lines[image], told)
        figures[best] = np.nextafter(figures[best], 2)


def _refuse(path: Path, line: int, told: str) -> NoReturn:
    raise RunError(
        f"line {line} of {with_absolute(path)} {told}: the table is damaged, or another one; copy "
        "it again, or name another table"
    )
