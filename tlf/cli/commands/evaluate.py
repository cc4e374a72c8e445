"""``tlf evaluate MODEL [MODEL] [--data FOLDER|CSV]``."""

from collections.abc import Sequence
from pathlib import Path

import click

import tlf
from tlf.cli import arguments
from tlf.cli.output import complain, echo, warnings_as_notes
from tlf.cli.process import stopped_cleanly
from tlf.errors import in_shell
from tlf.runtime.precision import PRECISIONS


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL [MODEL] [data.KEY=VALUE]...")
@click.option(
    "--data", metavar="FOLDER|CSV",
    help="Other images: a folder of class folders, or a CSV file of paths and labels.",
)  # fmt: skip
@click.option(
    "--split", metavar="NAME",
    help="train, eval, or as the data calls it, such as test.  [default: eval, else all images]",
)  # fmt: skip
@click.option(
    "--backbone", type=click.Path(path_type=Path), metavar="FILE",
    help="With a head.safetensors: the weights of its backbone.",
)  # fmt: skip
@click.option(
    "--precision", type=click.Choice(PRECISIONS),
    help="What to compute in; no is float32.  [default: what the run computed in]",
)  # fmt: skip
@click.option(
    "--tta", metavar="flip|views=K",
    help="Also average over the mirrored image, or over K views, and say what it changes.",
)  # fmt: skip
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FOLDER",
    help="The folder to write.  [default: evaluations/NAME in the run, or beside the file]",
)  # fmt: skip
def command(
    models: tuple[str, ...],
    data: str | None,
    split: str | None,
    backbone: Path | None,
    precision: str | None,
    tta: str | None,
    output: Path | None,
) -> None:
    """Evaluate a model on labelled images, or compare two models.

    MODEL is the folder of a run, an exported .onnx file, or a head.safetensors with --backbone. By
    default the images are the eval split of its run; data.KEY=VALUE changes its [data] table, such
    as data.root=photographs. Classes are matched by name. All figures, the predictions and a page
    are written into a new folder. Unreadable images are listed at the end; the exit code is then 1,
    or 2 if no image can be read.
    """
    from tlf.cli.image_progress import with_progress
    from tlf.evaluation.files import place_of
    from tlf.evaluation.summary import result_lines
    from tlf.reports.evaluation_page import PAGE
    from tlf.runtime.files import check_creatable

    overrides, paths = arguments.split_overrides(models)
    _check_models(paths)
    check_creatable(output or place_of(Path(paths[0]), "eval"))
    with warnings_as_notes(), stopped_cleanly():
        evaluated = tlf.evaluate(
            paths[0], data, overrides=overrides, split=split, backbone=backbone,
            precision=precision, tta=tta, against=paths[1] if paths[1:] else None,
            watch=with_progress,
        )  # fmt: skip
        folder = tlf.write_evaluation(evaluated, output)
    for line in result_lines(evaluated):
        echo(line)
    echo(f"\npage      {folder / PAGE}, with the figures and the predictions beside it")
    for name, why in evaluated.unreadable:
        complain(f"error: {name}: {why}")
    if evaluated.unreadable:
        click.get_current_context().exit(1)


def _check_models(models: Sequence[str]) -> None:
    """Check how many models are given.

    Raises:
        UsageError: there is no model, or there are too many.
    """
    if not 1 <= len(models) <= 2:
        more = f"; for images, write --data {in_shell(models[-1])}" if models else ""
        raise click.UsageError(
            f"MODEL must be one model, or two to compare, got {len(models)}{more}"
        )
