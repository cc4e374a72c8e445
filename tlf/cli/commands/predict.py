"""``tlf predict RUN IMAGE...``."""

import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import click

import tlf
from tlf.cli import arguments
from tlf.cli.output import cell, complain, warnings_as_notes
from tlf.errors import DataError
from tlf.inference.predictions import Prediction, row
from tlf.runtime.precision import PRECISIONS
from tlf.runtime.strict_json import dumps


@click.command()
@arguments.run_folder
@click.argument(
    "images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE..."
)
@click.option(
    "--precision", type=click.Choice(PRECISIONS),
    help="What to compute in; no is float32.  [default: what the run computed in]",
)  # fmt: skip
@click.option(
    "--format", "format_name", type=click.Choice(["table", "csv", "jsonl"]), default="table",
    show_default=True, help="A table for people; CSV or JSON lines for programs.",
)  # fmt: skip
def command(run: Path, images: tuple[Path, ...], precision: str | None, format_name: str) -> None:
    """Classify images with the best model of a run.

    IMAGE is a file or a folder of images. Unreadable files are left out and listed at the end, on
    stderr. The exit code is then 1, or 2 if no image can be read.
    """
    problems: list[DataError] = []
    with warnings_as_notes():
        predictions = tlf.predict(run, images, problems.append, precision)
        PRINTERS[format_name](_at_least_one(predictions, problems))
    for problem in problems:
        complain(f"error: {problem}")
    if problems:
        click.get_current_context().exit(1)


def _at_least_one(
    predictions: Iterator[Prediction], problems: Sequence[DataError]
) -> Iterator[Prediction]:
    """Yield the predictions unchanged.

    Raises:
        DataError: there are none; the message says why, for every image.
    """
    first = next(predictions, None)
    if first is None:
        raise DataError("\n  ".join(["no image can be read:", *map(str, problems)]))
    yield first
    yield from predictions


def print_table(predictions: Iterable[Prediction]) -> None:
    """Print a table, when all images are classified."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for number, line in enumerate(map(row, predictions)):
        for column in line if number == 0 else ():
            side: Literal["left", "right"] = "right" if column.startswith("p_") else "left"
            # A long path is wrapped: an abbreviated one would name no file.
            table.add_column(cell(column), justify=side, overflow="fold")
        table.add_row(*map(cell, line.values()))
    Console().print(table)


def print_csv(predictions: Iterable[Prediction]) -> None:
    """Print CSV, a row as soon as an image is classified."""
    writer = None
    for line in map(row, predictions):
        if writer is None:
            writer = csv.DictWriter(sys.stdout, [*line], lineterminator="\n")
            writer.writeheader()
        writer.writerow(line)


def print_json_lines(predictions: Iterable[Prediction]) -> None:
    """Print a JSON object for each image: path, predicted class, class → probability.

    It is ASCII, so stdout may have any encoding, and a path whose bytes are not UTF-8 comes back
    from it unchanged.
    """
    for prediction in predictions:
        figures = {name: round(figure, 6) for name, figure in prediction.probabilities.items()}
        line = {
            "path": prediction.path,
            "predicted": prediction.label,
            "probabilities": figures,
        }
        print(dumps(line))  # noqa: T201 - the output of the command


PRINTERS: Mapping[str, Callable[[Iterable[Prediction]], None]] = {
    "table": print_table,
    "csv": print_csv,
    "jsonl": print_json_lines,
}
