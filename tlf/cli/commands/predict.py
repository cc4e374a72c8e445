"""``tlf predict RUN IMAGE...``."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

import tlf
from tlf.cli import arguments
from tlf.cli.output import complain, warnings_as_notes
from tlf.cli.path_list import STDIN, read_paths
from tlf.cli.process import stopped_cleanly
from tlf.data.image_files import is_image
from tlf.errors import DataError, RunError, in_shell
from tlf.runtime.files import is_run, writing, written_whole
from tlf.runtime.precision import PRECISIONS
from tlf.runtime.text import printable

if TYPE_CHECKING:
    from tlf.cli.predictions import Write
    from tlf.inference.prediction import Prediction

FORMATS = {".csv": "csv", ".jsonl": "jsonl"}
"""How the name of a file ends → the format that it is written in, unless another is named."""


WHY = 3
"""How many train images ``--why`` names."""


@click.command()
@arguments.run_folder
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option(
    "--precision", type=click.Choice(PRECISIONS),
    help="What to compute in; no is float32.  [default: what the run computed in]",
)  # fmt: skip
@click.option(
    "--format", "format_name", type=click.Choice(["table", "csv", "jsonl"]),
    help="A table for people; CSV or JSON lines for programs.  [default: as FILE ends, or table]",
)  # fmt: skip
@click.option(
    "--top", type=click.IntRange(min=1), metavar="N",
    help="The N most probable classes, the best first.  [default: 2 in a table, else all]",
)  # fmt: skip
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", callback=arguments.named_file,
    help="The file to write instead, such as found.csv; it is replaced.",
)  # fmt: skip
@click.option(
    "--why", is_flag=True,
    help="Name the 3 most similar train images of each image. The number is the similarity: 1 is "
    "the same.",
)  # fmt: skip
@click.option("-0", "--null", is_flag=True, help="With -: paths end with NUL: find -print0.")
def command(
    run: Path,
    images: tuple[str, ...],
    precision: str | None,
    format_name: str | None,
    top: int | None,
    output: Path | None,
    *,
    why: bool,
    null: bool,
) -> None:
    """Classify images with the best model of a run.

    IMAGE is a file, a folder of images, or - for paths on stdin, one a line. Each line is written
    as soon as its image is classified. It says where the model is unsure, and which images are
    unlike all train images, where the run can tell. Unreadable files are left out and listed at the
    end, on stderr. The exit code is then 1, or 2 if no image can be read. Where images have labels,
    tlf evaluate RUN --data FOLDER says how many are right.
    """
    from tlf.cli.image_progress import with_progress
    from tlf.cli.predictions import WRITERS

    if null and STDIN not in images:
        raise click.UsageError("-0 is about the paths on stdin; write - among the images, too")
    _check_order(run, images)
    if output is not None:
        _check_output(output, run)
    write = WRITERS[format_name or FORMATS.get(output.suffix.lower() if output else "", "table")]
    paths, total = _paths(images, output, null=null)
    problems: list[str] = []
    with warnings_as_notes():
        found = tlf.predict(
            run, paths, lambda error: problems.append(str(error)), precision, WHY if why else 0
        )
    shown = with_progress(_at_least_one(found, problems), total, lambda: len(problems))
    _write_all(shown, output, write, top)
    for problem in problems:
        complain(f"error: {problem}")
    if problems:
        click.get_current_context().exit(1)


def _write_all(
    predictions: "Iterator[Prediction]", output: Path | None, write: "Write", top: int | None
) -> None:
    """Write all predictions, and say how many there are in a file."""
    number = 0

    def counted() -> "Iterator[Prediction]":
        nonlocal number
        for prediction in predictions:
            number += 1
            yield prediction

    with warnings_as_notes(), stopped_cleanly(), _written(output) as file:
        write(counted(), file, top)
    if output is not None:
        complain(
            f"wrote {number:,} prediction{'s' if number > 1 else ''} to {printable(str(output))}"
        )


def _check_order(run: Path, images: Sequence[str]) -> None:
    """Check that the run comes first.

    Raises:
        RunError: it is none, and one of the images is the folder of a run.
    """
    if is_run(run) or not (others := [image for image in images if is_run(Path(image))]):
        return
    example = f"tlf predict {in_shell(others[0])} {in_shell(run)}"
    raise RunError(f"RUN must be the folder of a run, got {run}; write it first: {example}")


def _check_output(output: Path, run: Path) -> None:
    """Check that a file may be replaced.

    Raises:
        RunError: its name is that of an image, or it is in the folder of the run.
    """
    real = Path(os.path.realpath(output))
    if is_image(real.name):
        raise RunError(
            f"--output must be a file for predictions, such as found.csv, got {output}, the name "
            "of an image; write --output FILE and then the images"
        )
    if real.is_file() and real.is_relative_to(os.path.realpath(run)):
        raise RunError(
            f"--output must not replace a file in the folder of the run, got {output}; "
            "write another name"
        )


def _paths(
    images: Sequence[str], output: Path | None, *, null: bool
) -> tuple[Iterable[str], int | None]:
    """The paths of the images, and how many they are. Those on stdin are read one by one: their
    number is not known.

    Raises:
        DataError: names the path that does not exist, or the folder without images.
        RunError: the output would replace one of the images.
    """
    from tlf.inference.predict import expand

    given = _without(output, _named(images, null=null))
    if STDIN in images:
        return given, None
    files = expand([*given])
    return files, len(files)


def _named(images: Sequence[str], *, null: bool) -> Iterator[str]:
    """The paths on the command line, and those on stdin where ``-`` stands for them."""
    for image in images:
        yield from read_paths(null=null) if image == STDIN else [image]


def _without(output: Path | None, paths: Iterable[str]) -> Iterator[str]:
    """Yield the paths unchanged.

    Raises:
        RunError: one of them is the output.
    """
    for path in paths:
        if output and output.exists() and os.path.exists(path) and output.samefile(path):
            raise RunError(f"--output must not replace {path}, an image; write another name")
        yield path


@contextmanager
def _written(output: Path | None) -> Iterator[TextIO]:
    """Where predictions are written: stdout, or a file that has its name only when it is whole.

    Raises:
        UnwritableError: the file cannot be written.
    """
    if output is None:
        yield sys.stdout
        return
    with (
        writing(output),
        written_whole(output) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        yield file


def _at_least_one(
    predictions: "Iterator[Prediction]", problems: Sequence[str]
) -> "Iterator[Prediction]":
    """Yield the predictions unchanged.

    Raises:
        DataError: there are none; the message says why, for every image.
    """
    first = next(predictions, None)
    if first is None:
        if not problems:
            raise DataError("stdin must hold the paths of images, got none; write a path a line")
        raise DataError("\n  ".join(["no image can be read:", *problems]))
    yield first
    yield from predictions
