"""What a model thinks of pictures, as rows: path, label, predicted class, a probability per
class.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from torch import Tensor


def rows(
    names: Sequence[str],
    probabilities: Tensor,
    classes: Sequence[str],
    labels: Tensor | None = None,
) -> Iterator[dict[str, str]]:
    """One row for each picture. ``probabilities``: (N, K)."""
    predicted = probabilities.argmax(1).tolist()
    for index, name in enumerate(names):
        known = {} if labels is None else {"label": classes[int(labels[index])]}
        figures = zip(classes, probabilities[index].tolist(), strict=True)
        yield {
            "path": name,
            **known,
            "predicted": classes[predicted[index]],
            **{f"p_{label}": f"{figure:.6f}" for label, figure in figures},
        }


def write_csv(
    path: Path,
    names: Sequence[str],
    probabilities: Tensor,
    classes: Sequence[str],
    labels: Tensor,
) -> None:
    """Write the rows of labelled pictures."""
    with path.open("w", encoding="utf-8", newline="") as file:
        columns = ["path", "label", "predicted", *(f"p_{label}" for label in classes)]
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows(names, probabilities, classes, labels))


def print_table(found: Iterable[dict[str, str]]) -> None:
    """A table to read."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for number, row in enumerate(found):
        for column in row if number == 0 else ():
            table.add_column(column, justify="right" if column.startswith("p_") else "left")
        table.add_row(*row.values())
    Console().print(table)


def print_csv(found: Iterable[dict[str, str]]) -> None:
    """CSV, as soon as a picture is classified."""
    writer = None
    for row in found:
        if writer is None:
            writer = csv.DictWriter(sys.stdout, [*row], lineterminator="\n")
            writer.writeheader()
        writer.writerow(row)


def print_json_lines(found: Iterable[dict[str, str]]) -> None:
    """A JSON object for each picture: path, predicted class, class → probability."""
    for row in found:
        figures = {k.removeprefix("p_"): float(v) for k, v in row.items() if k.startswith("p_")}
        line = {"path": row["path"], "predicted": row["predicted"], "probabilities": figures}
        print(json.dumps(line, ensure_ascii=False))  # noqa: T201 - it is what the command is for


PRINTERS: Mapping[str, Callable[[Iterable[dict[str, str]]], None]] = {
    "table": print_table,
    "csv": print_csv,
    "jsonl": print_json_lines,
}
