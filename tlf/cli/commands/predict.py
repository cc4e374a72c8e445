"""``tlf predict RUN IMAGE...``."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import click

import tlf
from tlf.cli import arguments
from tlf.errors import DataError
from tlf.inference.predictions import Prediction, row


@click.command()
@arguments.run_folder
@click.argument(
    "images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE..."
)
@click.option(
    "--format", "form", type=click.Choice(["table", "csv", "jsonl"]), default="table",
    show_default=True, help="A table to read, or CSV or JSON lines to go on with.",
)  # fmt: skip
def command(run: Path, images: tuple[Path, ...], form: str) -> None:
    """Classify images with the best model of a run.

    IMAGE is a file, or a folder of them. Those that cannot be read are left out and named in the
    end, on stderr; the exit code is 1 then, and 2 where none can be read.
    """
    problems: list[DataError] = []
    PRINTERS[form](_some(tlf.predict(run, images, problems.append), problems))
    for problem in problems:
        click.echo(f"error: {problem}", err=True)
    if problems:
        click.get_current_context().exit(1)


def _some(found: Iterator[Prediction], problems: Sequence[DataError]) -> Iterator[Prediction]:
    """The same predictions, of which there has to be one.

    Raises:
        DataError: there is none; says what is wrong with every image.
    """
    first = next(found, None)
    if first is None:
        raise DataError("\n  ".join(["no image can be read:", *map(str, problems)]))
    yield first
    yield from found


def print_table(found: Iterable[Prediction]) -> None:
    """A table to read."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for number, line in enumerate(map(row, found)):
        for column in line if number == 0 else ():
            table.add_column(column, justify="right" if column.startswith("p_") else "left")
        table.add_row(*line.values())
    Console().print(table)


def print_csv(found: Iterable[Prediction]) -> None:
    """CSV, as soon as an image is classified."""
    writer = None
    for line in map(row, found):
        if writer is None:
            writer = csv.DictWriter(sys.stdout, [*line], lineterminator="\n")
            writer.writeheader()
        writer.writerow(line)


def print_json_lines(found: Iterable[Prediction]) -> None:
    """A JSON object for each image: path, predicted class, class → probability."""
    for prediction in found:
        figures = {name: round(figure, 6) for name, figure in prediction.probabilities.items()}
        line = {
            "path": prediction.path,
            "predicted": prediction.label,
            "probabilities": figures,
        }
        print(json.dumps(line, ensure_ascii=False))  # noqa: T201 - it is what the command is for


PRINTERS: Mapping[str, Callable[[Iterable[Prediction]], None]] = {
    "table": print_table,
    "csv": print_csv,
    "jsonl": print_json_lines,
}
